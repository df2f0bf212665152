"""Names and arguments of initializers that fit nothing in the module."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit import Call, Returned, Word, argv, errors
from tests.support.command import fails
from tests.support.modules import build_text, wasm


@pytest.mark.parametrize(
    ("init_func", "error"),
    [
        ("add(1)", errors.InitializerType),
        ("add(1,2,3)", errors.InitializerType),
        ("add(1,x)", errors.InitializerType),
        ("add(1,4294967296)", errors.InitializerType),
        ("add(1,-2147483649)", errors.InitializerType),
        ("add(1,1.5)", errors.InitializerType),
        ("memory", errors.InitializerType),
        ("nothing", errors.UnknownExport),
        ("add(1,2", errors.UsageError),
    ],
)
def test_arguments_that_do_not_fit_are_refused(init_func: str, error: type[errors.PreinitError]) -> None:
    text = '(module (memory (export "memory") 1) (func (export "add") (param i32 i32)))'
    with pytest.raises(error):
        build_text(text, init_funcs=(init_func,))


MODULE = """(module (memory (export "memory") 1)
  (func (export "malloc") (param i32) (result i32) (i32.const 8))
  (func (export "preinit_initialize")) (func (export "place") (result i32) (i32.const 8))
  (func (export "wide") (result i64) (i64.const 8)) (func (export "vector") (param v128))
  (func (export "add") (param i32 i32)) (func (export "one") (param i32) (result i32) (local.get 0))
  (func (export "real") (param f64)))"""


@pytest.mark.parametrize(
    ("calls", "text", "at", "what"),
    [
        (["add(1,2"], "add(1,2", 7, "a comma or the closing bracket must stand here"),
        (["add((1),2)"], "add((1),2)", 4, "an argument must stand here"),
        (["(add"], "(add", 0, "a call begins with the name"),
        (["add(1, 2) x"], "add(1, 2) x", 10, "nothing can stand here, behind the call"),
        (["add(1, 2))"], "add(1, 2))", 9, "nothing can stand here"),
        (["add(1,)"], "add(1,)", 6, "an argument must stand here"),
        (["add(,1)"], "add(,1)", 4, "an argument must stand here"),
        (["add(1, 2)="], "add(1, 2)=", 10, "the number that must be returned"),
        (["add"], None, 0, "takes 2 arguments, 0 were given"),
        (["add()"], "add()", 4, "takes 2 arguments, 0 were given"),
        (["add(1)"], "add(1)", 5, "takes 2 arguments, 1 was given"),
        (["add(1, 2, 3)"], "add(1, 2, 3)", 10, "takes 2 arguments, 3 were given"),
        (["add( 1,  99999999999)"], "add( 1,  99999999999)", 9, "'99999999999' is not a number of type i32"),
        (["add(x,1)"], "add(x,1)", 4, "'x' is not a number of type i32"),
        (["vector(1)"], "vector(1)", 7, "can't have a parameter of type v128"),
        (["one(1)=0.5"], "one(1)=0.5", 7, "'0.5' is not a number of type i32"),
        (["add(1,2)=0"], "add(1,2)=0", 9, "has one result, a number"),
        (['one(argv("a"))'], 'one(argv("a"))', 8, "texts stand between [ and ]"),
        (['add(1, list("a"))'], 'add(1, list("a"))', 11, "texts stand between [ and ]"),
        ([r'add("a\u{0}b", 1)'], r'add("a\u{0}b", 1)', 6, "a text ends with NUL"),
    ],
)  # fmt: skip
def test_a_call_of_numbers_is_shown_where_it_is_wrong(calls: list[str], text: str | None, at: int, what: str) -> None:
    for options, before in (({"init_funcs": calls}, ""), ({"rename_funcs": {"_start": calls[0]}}, "_start=")):
        if text is None and before:
            continue
        with pytest.raises((errors.UsageError, errors.InitializerType)) as caught:
            build_text(MODULE, **options)
        what = what.replace("an initializer", "a call") if before else what
        assert what in caught.value.what
        check_place(caught.value.where, text and before + text, len(before) + at)


def check_place(where: str | None, text: str | None, at: int) -> None:
    place, *lines = (where or "").split("\n")
    if text is None:
        assert not lines
        return
    assert place.endswith(f"character {at + 1}")
    assert lines == [f"    {text}", f"    {' ' * at}^"]


@pytest.mark.parametrize(
    ("calls", "text", "at", "what"),
    [
        ([Call("add", 1, 1 << 40)], "add(1, 1099511627776)", 7, "is not a number of type i32"),
        ([Call("add", "a")], 'add("a")', 7, "takes 2 arguments, 1 would be given"),
        ([Call("add", "a", argv("b"))], 'add("a", argv["b"])', 9, "takes 2 arguments, 3 would be given"),
        ([Call("one", b"abc")], "one(3 bytes)", 4, "takes 1 argument, 2 would be given"),
        ([Call("real", "a")], 'real("a")', 5, "data is given as addresses and lengths"),
        ([Call("one", "a", returns="0.5")], 'one("a")=0.5', 9, "is not a number of type i32"),
        ([Call("real", 1, returns="result")], "real(1)?", 7, "the address of a result is an i32"),
        ([Call("one", Returned())], "one(*)", 4, "there is none, and type i32 is needed"),
        ([Call("add", 1, Word(4))], "add(1, *4)", 7, "there is none"),
        (["preinit_initialize", Call("one", Word(4))], "one(*4)", 4, "the call before returned nothing"),
        (["wide", Call("one", Returned())], "one(*)", 4, "the call before returned i64, and type i32 is needed"),
    ],
)  # fmt: skip
def test_a_call_that_python_made_is_shown_as_it_would_be_written(
    calls: list[str | Call], text: str, at: int, what: str
) -> None:
    with pytest.raises(errors.InitializerType) as caught:
        build_text(MODULE, init_funcs=calls)
    assert what in caught.value.what
    check_place(caught.value.where, text, at)


def test_a_call_that_was_written_is_shown_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(MODULE))
    said = fails("build", tmp_path / "in.wasm", "-f", 'one(  "a" , 2 )', "-o", tmp_path / "out.wasm")
    assert 'character 13\n    one(  "a" , 2 )\n                ^' in said
    said = fails("build", tmp_path / "in.wasm", "-r", '_start=one("a"', "-o", tmp_path / "out.wasm", code=2)
    assert 'character 15\n    _start=one("a"\n                  ^' in said
    said = fails("build", tmp_path / "in.wasm", "-r", "_start=one(*, 3)", "-o", tmp_path / "out.wasm")
    assert "character 15\n    _start=one(*, 3)\n                  ^" in said


def test_the_caret_stands_under_the_character_beside_wide_ones() -> None:
    with pytest.raises(errors.UsageError) as caught:
        build_text(MODULE, init_funcs=["名é(1"])
    assert (caught.value.where or "").split("\n")[-1] == " " * (4 + 5) + "^"


def test_renaming_needs_an_export_that_stays() -> None:
    text = '(module (func (export "preinit_initialize")))'
    with pytest.raises(errors.UnknownExport):
        build_text(text, rename_funcs=(("a", "b"),))
    with pytest.raises(errors.UsageError):
        build_text(text, rename_funcs=(("a", "preinit_initialize"),))
