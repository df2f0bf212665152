"""Calls of initializers, as values and as text."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from preinit import Call, Word
from preinit.errors import (
    UsageError,
)
from preinit.options.calls import written


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Call(3), "must be a string"),  # type: ignore[arg-type]
        (lambda: Call("f", "text"), "Encode it"),  # type: ignore[arg-type]
        (lambda: Call("f", None), "NoneType"),  # type: ignore[arg-type]
        (lambda: Call("f", True), "bool"),
        (lambda: Call("f", Word(-1)), "offset of a word"),
        (lambda: Call("f", returns="option"), "can't be said to return"),  # type: ignore[arg-type]
        (lambda: Call("f", returns=True), "can't be said to return"),
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
        ("f(*4) = 0.5", "f(*4) = 0.5"),
        ("f(*4)= 0.5", Call("f", Word(4), returns=0.5)),
    ],
)
def test_calls_are_written_as_text(text: str, call: str | Call) -> None:
    assert written(text, str.encode) == call


@pytest.mark.parametrize("text", ["f(x)?", "f(@)", "f(*)", "f(*x)", "f(*-1)", "f(@a,,2)", "f(1_0,@a)"])
def test_text_that_is_no_call_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="can't be given to an initializer"):
        written(text, str.encode)
