"""What the copy of a module that is run has beyond the original."""

from __future__ import annotations

from preinit.binary import encoder as write
from preinit.binary.module import parse
from preinit.passes.instrument.additions import free_prefix
from tests.support.by_hand import module


def test_a_prefix_is_free_whatever_names_are_taken() -> None:
    names = ["preinit:", "__preinit:memory0", "_____preinit", "____preinit:x", "a_preinit:"]
    exports = write.vector([write.export(name, 0, 0) for name in [*names, "wizer-initialize"]])
    prefix = free_prefix(parse(module({7: exports})))
    assert prefix == "_____preinit:"
    assert free_prefix(parse(module())) == "preinit:"
