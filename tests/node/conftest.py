"""Settings of tests that capture programs in Node."""

from __future__ import annotations

import pytest

from preinit.node import proof


@pytest.fixture(autouse=True)
def _started_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Input and output are started once, not three times, to be measured: nothing here looks at the figures.

    `several_rounds` leaves it as it is.
    """
    if "several_rounds" not in request.keywords:
        monkeypatch.setattr(proof, "ROUNDS", 1)
