"""Objects of the engine's heap that are alive at the end: what to do is said, since no output can hold them."""

from __future__ import annotations

import pytest

from preinit import errors
from tests.support.modules import build_text

STRUCT = "(type $t (struct (field i32)))"
HOLDERS = {
    "global 0": f"{STRUCT} (global $g (mut (ref null $t)) (ref.null $t)) {{}} (global.set $g (struct.new_default $t))))",
    "table 0": f"{STRUCT} (table $t 1 (ref null $t)) {{}} (table.set $t (i32.const 0) (struct.new_default $t))))",
    "element segment 0": f"{STRUCT} (table $t 1 (ref null $t)) (elem $e (ref null $t) (item (struct.new_default $t))) "
    "(func (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 0))) {}))",
}
INIT = '(func (export "preinit_initialize")'


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_object_that_is_alive_is_told_with_its_holder_and_the_way_out(holder: str) -> None:
    with pytest.raises(errors.UnsupportedState) as caught:
        build_text("(module " + HOLDERS[holder].format(INIT))
    assert holder in caught.value.what
    hint = caught.value.hint or ""
    assert "before the initializer ends" in hint
    assert "when an instance starts" in hint


@pytest.mark.parametrize(
    "cleared",
    [
        f"{STRUCT} (global $g (mut (ref null $t)) (ref.null $t)) {INIT} (global.set $g (struct.new_default $t)) "
        "(global.set $g (ref.null $t))))",
        f"{STRUCT} (table $t 1 (ref null $t)) (elem $e (ref null $t) (item (struct.new_default $t))) {INIT} (elem.drop $e)))",
    ],
)
def test_what_the_hint_says_works(cleared: str) -> None:
    assert build_text(f"(module {cleared}").wasm
