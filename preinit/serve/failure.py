"""Why nothing is served, or a request was not answered by the guest."""

from __future__ import annotations

from ..errors import PreinitError


class Failed(Exception):
    """`status` of HTTP, `reason` for the client, `detail` for the log only: what of the guest's inside explains it."""

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail


class ServerMissing(PreinitError):
    """The package that speaks HTTP, waitress, is not installed."""

    code = "server-missing"
    hint = "Install it: `pip install 'preinit[serve]'`."


class AddressRefused(PreinitError):
    """Nothing can listen at that address."""

    code = "address-refused"
    hint = "Name another one with `--host` and `--port`; `--port 0` takes one that is free."
