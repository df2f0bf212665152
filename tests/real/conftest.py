"""Builds that the tests of real modules share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from preinit import Result, build
from tests.support.glue import started_once
from tests.support.real import module, options

__all__ = ["built", "started_once"]


@pytest.fixture(scope="session")
def built() -> Callable[[str], Result]:
    results: dict[str, Result] = {}

    def get(name: str) -> Result:
        if name not in results:
            entry = module(name)
            results[name] = build(entry.path, options(entry))
        return results[name]

    return get
