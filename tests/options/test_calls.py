"""Calls of initializers, as values and as text."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preinit import Call, Returned, Word, argv, strings
from preinit.errors import (
    UsageError,
)
from preinit.options.calls import Argv, Number, anchored, call_of, files
from preinit.options.grammar import quoted_text


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Call(3), "must be a string"),  # type: ignore[arg-type]
        (lambda: Call("f", "cut\0off"), "would end there"),
        (lambda: Call("f", Argv(("cut\0off",))), "would end there"),
        (lambda: Call("f", "\udc80"), "not UTF-8"),
        (lambda: argv("a", 3), "can't have a value of type int"),  # type: ignore[arg-type]
        (lambda: Call("f", returns=True), "can't be said to return"),
        (lambda: Call("f", None), "NoneType"),  # type: ignore[arg-type]
        (lambda: Call("f", True), "bool"),
        (lambda: Call("f", Word(-1)), "offset of a word"),
        (lambda: Call("f", returns="option"), "can't be said to return"),
    ],
)  # fmt: skip
def test_wrong_calls_are_refused_when_they_are_made(make: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert said in str(caught.value)


def test_a_call_is_a_value() -> None:
    call = Call("f", bytearray(b"abc"), 1, 0.5, Word(4), returns="result")
    assert call == Call("f", b"abc", 1, 0.5, Word(4), returns="result")
    assert pickle.loads(pickle.dumps(call)) == call
    assert hash(call) == hash(Call("f", b"abc", 1, 0.5, Word(4), returns="result"))


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("f", "f"),
        ("f()", "f()"),
        ("f(1,2)", "f(1,2)"),
        ("f(@a.js)", Call("f", b"a.js")),
        ("f( @a.js , 3 ,*4)?", Call("f", b"a.js", 3, Word(4), returns="result")),
        ("f()?", Call("f", returns="result")),
        ("f(1,-2.5,0x10,1e3,inf)?", Call("f", 1, -2.5, 16, 1000.0, float("inf"), returns="result")),
        ("a(b)(@c)", Call("a(b)", b"c")),
        ("strange?", "strange?"),
        ("f(1)=0", "f(1)=0"),
        ("f(@a.js)=-1", Call("f", b"a.js", returns=-1)),
        ("f(*4) = 0.5", Call("f", Word(4), returns=0.5)),
        ("f(*4)= 0.5", Call("f", Word(4), returns=0.5)),
    ],
)
def test_calls_are_written_as_text(text: str, call: str | Call) -> None:
    assert call_of(text, str.encode) == call


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('f("a(1), b")', Call("f", "a(1), b")),
        (r'f("\"\\\n\t\u{e9}\u{1F600}")', Call("f", '"\\\n\té😀')),
        ('f ( "a" , 1 ) = 0', Call("f ", "a", 1, returns=0)),
        ('f(argv["a", "b c"], argv[])', Call("f", argv("a", "b c"), argv())),
        (r'f(list["a", "\u{0}"], 1)', Call("f", strings("a", "\0"), 1)),
        ("f(*, *0)", Call("f", Returned(), Word(0))),
        ("f(*)=-0x1p3", Call("f", Returned(), returns="-0x1p3")),
        ("f(@a)=1", Call("f", b"a", returns=1)),
        ('f(@"a, b)", -0, 0x1.8p3)', Call("f", b"a, b)", Number("-0"), Number("0x1.8p3"))),
        ("a/b@0.2.0#f(1)", "a/b@0.2.0#f(1)"),
        ("a/b@0.2.0#[method]f.g", "a/b@0.2.0#[method]f.g"),
    ],
)
def test_all_kinds_of_arguments_are_written_as_text(text: str, call: str | Call) -> None:
    assert call_of(text, str.encode) == call


@pytest.mark.parametrize(
    ("text", "character", "what"),
    [
        ("f(x)?", 3, "an argument must stand here"),
        ("f(@)", 4, "the name of a file must stand here"),
        ("f(*x)", 4, "a comma or the closing bracket"),
        ("f(*-1)", 4, "a comma or the closing bracket"),
        ("f(@a,,2)", 6, "an argument must stand here"),
        ("f(1_0,@a)", 3, "an argument must stand here"),
        ('f("abc', 3, "a text begins here, and has no end"),
        ('f("abc"', 8, "a comma or the closing bracket"),
        (r'f("a\qb")', 5, "this backslash stands for nothing"),
        (r'f("\u{d800}")', 4, "half of a character in UTF-16"),
        (r'f("\u{110000}")', 4, "there is no such character"),
        (r'f("\u{99999999999}")', 4, "there is no such character"),
        (r'f("\u{}")', 4, "this backslash stands for nothing"),
        (r'f(argv["a", "\u{00}"])', 14, "a text ends with NUL"),
        (r'f(@"\u{0}")', 5, "a text ends with NUL"),
        ('f({a: "b")', 10, "a comma or } must stand here"),  # as a component takes it
        ('f("a\udc80")', 5, "this is not UTF-8"),
        ('f: func(a: list<string>) -> ()(list["a" "b"])', 41, "a comma or ] must stand here"),
        ('f: func(a: list<string>) -> ()("a"', 35, "a comma or the closing bracket"),
        ('f(argv["a" "b"])', 12, "a comma or ] must stand here"),
        ("f(argv[1])", 8, "a text between quotes must stand here"),
        ('f(list["a")', 11, "a comma or ] must stand here"),
        ('f(["a"', 7, "a comma or ] must stand here"),
        ("f([1 2], @a)", 6, "a comma or ] must stand here"),
        ('f("a")=', 8, "the number that must be returned"),
        ('f("a")=ok', 8, "the number that must be returned"),
        ('f("a") 3', 8, "nothing can stand here"),
        ('f("a")??', 8, "nothing can stand here"),
        ('("a")', 1, "a call begins with the name"),
        ("f(*4294967296)", 4, "at most 4294967295 bytes"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, character: int, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        call_of(text, str.encode)
    assert what in caught.value.what
    where = caught.value.where
    assert where
    place, shown, arrow = where.split("\n")
    assert place == f"character {character}"
    assert (
        shown.strip() == text.encode("ascii", "backslashreplace").decode()
        and len(arrow) == 4 + character
        and arrow.endswith("^")
    )


def test_a_long_text_is_shown_where_it_is_wrong() -> None:
    with pytest.raises(UsageError) as caught:
        call_of(f'f("{"a" * 5000}", \x1b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)', str.encode)
    assert caught.value.where
    place, shown, arrow = caught.value.where.split("\n")
    assert place == "character 5007" and len(shown) < 200
    assert shown[arrow.index("^") :].startswith("\\x1b, 1")


@given(st.text(max_size=40))
def test_any_text_is_a_call_or_a_name_or_refused(text: str) -> None:
    for made in (text, f"f({text})", f'f("{text}', f"f(argv[{text}])?"):
        try:
            found = call_of(made, str.encode)
        except UsageError as problem:
            assert problem.hint
        else:
            assert found == made or isinstance(found, Call)


@given(st.text(max_size=40))
def test_a_text_between_quotes_is_read_as_it_was_written(text: str) -> None:
    try:
        call = Call("f", text)
    except UsageError:  # a NUL, or half of a surrogate pair
        return
    assert call_of(f"f({quoted_text(text)})", str.encode) == call


@pytest.mark.parametrize("folder", ["/a", "b c", 'quote"d', "comma, bracket)", "back\\slash"])
def test_names_of_files_can_be_moved_to_another_folder(folder: str) -> None:
    text = 'f("@no", @one, argv["@no"], @"two, three", @{})?'
    assert files(text) == ["one", "two, three", "{}"]
    assert files(anchored(text, folder)) == [f"{folder}/one", f"{folder}/two, three", "{}"]
    assert anchored("f(1)", folder) == "f(1)"
