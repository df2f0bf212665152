"""Why a request was not answered by the guest."""

from __future__ import annotations


class Failed(Exception):
    """`status` of HTTP, `reason` for the client, `detail` for the log only: what of the guest's inside explains it."""

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
