"""What errors say."""

from __future__ import annotations

from preinit.errors import quoted


def test_a_name_as_long_as_a_page_is_shown_in_part() -> None:
    assert quoted("x" * 500) == f"'{'x' * 500}'"
    assert quoted("x" * 501) == f"'{'x' * 500}...'"
