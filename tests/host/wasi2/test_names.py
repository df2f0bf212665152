"""Names of imports."""

from __future__ import annotations

import pytest

from preinit.host.wasi2.names import Names, plain, title


@pytest.mark.parametrize(
    ("interface", "said"),
    [
        ("wasi:io/streams@0.2.0", "wasi:io/streams"),
        ("wasi:io/streams@0.2.12", "wasi:io/streams"),
        ("wasi:io/streams@0.3.0", "wasi:io/streams@0.3.0"),
        ("acme:log/sink@0.2.0", "acme:log/sink@0.2.0"),
        ("plain", "plain"),
    ],
)
def test_all_versions_0_2_of_wasi_are_one(interface: str, said: str) -> None:
    assert plain(interface) == said


def test_a_resource_is_the_same_type_in_all_of_them() -> None:
    names = Names()
    assert names.resource("wasi:io/poll@0.2.0", "pollable") is names.resource("wasi:io/poll@0.2.3", "pollable")
    assert names.resource("a:b/c@0.2.0", "pollable") is not names.resource("a:b/c@0.2.3", "pollable")
    assert title("wasi:io/poll@0.2.0", "poll") == "wasi:io/poll#poll"
