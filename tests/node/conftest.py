"""Settings of tests that capture programs in Node."""

from __future__ import annotations

from tests.support.glue import started_once, usual

__all__ = ["started_once", "usual"]
