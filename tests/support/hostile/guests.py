"""All hostile guests."""

from __future__ import annotations

from tests.support.hostile.broken import BROKEN
from tests.support.hostile.modules import Hostile
from tests.support.hostile.running import ENDLESS, GREEDY
from tests.support.hostile.shapes import LARGE, TEXTS, WRONG

GUESTS: dict[str, Hostile] = {**BROKEN, **ENDLESS, **GREEDY, **WRONG, **LARGE, **TEXTS}
