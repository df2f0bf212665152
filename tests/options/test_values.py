"""What the library says about values that don't fit, and what it takes for which."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from preinit import Host, Options, build, errors
from preinit.errors import UsageError
from tests.support.command import GOOD, assert_initialized
from tests.support.modules import wasm
from tests.support.places import PACKAGE


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"init_funcs": "f"}, r"Write a list: init_funcs=\['f'\]"),
        ({"init_funcs": [b"f"]}, r"init_funcs\[0\] must be a string, not bytes"),
        ({"init_funcs": [3]}, "must be a string, not int"),
        ({"init_funcs": {"f"}}, "must be a list, not set"),
        ({"init_funcs": ["\ud800"]}, "not UTF-8"),
        ({"rename_funcs": "a=b"}, "a dict or a list of pairs, not str"),
        ({"rename_funcs": ["ab"]}, "a pair, not str"),
        ({"rename_funcs": [("a", "b", "c")]}, "a pair, not tuple"),
        ({"rename_funcs": {"a": 1}}, "a string, not int"),
        ({"keep_init_func": "false"}, "keep_init_func"),
        ({"imports": "drop"}, "One of keep, define"),
        ({"import_globals": {"m.g": True}}, "a number or a string, not bool"),
        ({"import_globals": {"m.g": b"1"}}, "a number or a string, not bytes"),
        ({"preloads": {"m": 1}}, "a path, not int"),
        ({"layout": "pretty"}, "One of balanced, size"),
        ({"layout": ["size"]}, "layout can't be"),
        ({"compiler": None}, "One of auto, winch"),
        ({"cache": "no"}, "cache must be True or False, not str"),
        ({"cache_dir": 1}, "cache_dir must be a path"),
        ({"cache_dir": "a\0b"}, "NUL"),
        ({"timeout": "5"}, "timeout must be a number of seconds, more than 0, at most 1,000,000,000, not str"),
        ({"timeout": True}, "timeout must be a number of seconds, more than 0, at most 1,000,000,000, not bool"),
        ({"timeout": 0}, "timeout can't be 0: it must be a number of seconds, more than 0, at most 1,000,000,000"),
        (
            {"timeout": float("inf")},
            "timeout can't be inf: it must be a number of seconds, more than 0, at most 1,000,",
        ),
        ({"timeout": 1e12}, "at most 1,000,000,000"),
        ({"timeout": 10**400}, "timeout can't be a number that long: it must be .* at most 1,000,000,000"),
        ({"timeout": 10**5000}, "timeout can't be a number that long"),
        ({"max_memory": "64 apples"}, 'a string with a unit such as "64MiB"'),
        ({"max_memory": 1.5}, 'a number of bytes, or a string with a unit such as "64MiB", not float'),
        ({"max_memory": -1}, "max_memory can't be -1"),
        ({"host": {"env": {}}}, "host must be a Host, not dict"),
        ({"no_such": 1}, "no option 'no_such'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_an_option_that_does_not_fit_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(wasm(GOOD), **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"env": "K=V"}, "a dict or a list of pairs"),
        ({"env": ["K=V"]}, "a pair"),
        ({"env": {"K": 1}}, "a string, not int"),
        ({"env": {"": "x"}}, "can't be the name"),
        ({"env": {"a=b": "x"}}, "can't be the name"),
        ({"env": {"a": "x\0"}}, "NUL"),
        ({"args": "prog"}, "Write a list"),
        ({"args": ["a\0b"]}, "NUL"),
        ({"args": ["\ud800"]}, "not UTF-8"),
        ({"dirs": "lib"}, "a dict or a list of pairs"),
        ({"dirs": {b"lib": "/lib"}}, "a path, not bytes"),
        ({"dirs": {"lib": b"/lib"}}, "a string, not bytes"),
        ({"dirs": {"a": "/lib", "b": "/lib"}}, "two folders are '/lib' in the guest: 'a' and 'b'"),
        ({"stdin": "text"}, "stdin must be bytes, not str"),
        ({"random": "seed:x"}, "Write seed:N with a number of 64 bits"),
        ({"quiet_guest": "yes"}, "quiet_guest must be True or False"),
    ],
    ids=str,
)
def test_a_world_that_does_not_fit_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Host(**fields)


def test_dicts_lists_and_paths_are_taken() -> None:
    host = Host(env={"A": "1"}, args=["p"], dirs={Path("lib"): "/lib"}, stdin=bytearray(b"x"))  # type: ignore[arg-type]
    assert host == Host(env=(("A", "1"),), args=("p",), dirs=(("lib", "/lib"),), stdin=b"x")
    given = Options(rename_funcs={"a": "b"}, init_funcs=["f"], cache_dir=Path("c"), host=host)
    assert given == Options(rename_funcs=(("a", "b"),), init_funcs=("f",), cache_dir="c", host=host)
    assert hash(given)
    assert Options(import_globals=[["m.g", "1"]], preloads={"m": Path("x")}) == Options(  # type: ignore[arg-type]
        import_globals=(("m.g", "1"),), preloads=(("m", "x"),)
    )


def test_options_and_fields_together_are_refused() -> None:
    with pytest.raises(UsageError, match="'layout' too"):
        build(wasm(GOOD), Options(), layout="size")
    with pytest.raises(UsageError, match="options must be Options, not dict"):
        build(wasm(GOOD), {"layout": "size"})  # type: ignore[arg-type]


def test_a_result_is_shown_without_the_module() -> None:
    result = build(wasm(GOOD), cache=False)
    assert_initialized(result.wasm)
    assert "asm" not in repr(result).split("report=")[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"layout": "tight"},
        {"compiler": "gcc"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"max_memory": -1},
        {"rename_funcs": (("a", "b"), ("a", "c"))},
        {"rename_funcs": (("a", "b"), ("a", "b"))},
        {"no_such_option": 1},
    ],
)
def test_options_that_make_no_sense_are_usage_errors(fields: dict[str, object]) -> None:
    with pytest.raises(errors.UsageError):
        build(wasm("(module)"), **fields)


def test_fields_by_name_are_those_of_the_classes() -> None:
    """With the same types: they are written twice, since type checkers read them from one place only."""
    declarations = {}
    for file in ("build", "host"):
        for node in ast.walk(ast.parse((PACKAGE / f"options/{file}.py").read_text())):
            match node:
                case ast.AnnAssign(
                    target=ast.Name(name),
                    annotation=ast.Subscript(value=ast.Name("Option"), slice=ast.Tuple(elts=[given, _])),
                ) if not name.startswith("_"):
                    declarations[name] = ast.unparse(given)
    tree = ast.parse((PACKAGE / "options/fields.py").read_text())
    (fields,) = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == "Fields")
    typed = {n.target.id: ast.unparse(n.annotation) for n in fields.body if isinstance(n, ast.AnnAssign)}  # type: ignore[attr-defined]
    assert len(typed) > 30
    assert typed == declarations
