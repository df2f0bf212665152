"""Which parts of a snapshot depend on the world: the initializer runs again in others, and what it leaves is compared.

Only places are told, never what was found there: it may be a secret.
"""

from __future__ import annotations

from .runs import audit

__all__ = ["audit"]
