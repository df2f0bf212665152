"""Served outputs whose instances see their request, and those that keep the environment of their build."""

from __future__ import annotations

from pathlib import Path

import pytest

from preinit import Result, build
from preinit.binary import encoder as write
from preinit.serve.application import Application
from tests.support.amounts import amount
from tests.support.places import ROOT
from tests.support.serving import served as serving

WORLD, FOLDERS = ROOT / "fixtures/world/world.wasm", ROOT / "fixtures/world/folders.wasm"
FROZEN = "the module keeps the environment of its build"


def built(**options: object) -> Result:
    given = {"env": {"LEVEL": "3"}, "rename_funcs": {"_start": "answer"}, "cache": False, **options}
    return build(WORLD, **given)  # type: ignore[arg-type]


def written(tmp_path: Path, result: Result) -> Path:
    path = tmp_path / "served.wasm"
    result.write(path)
    return path


@pytest.mark.parametrize(
    ("language", "requests"), [("world", amount(1000, 300)), ("plus", 100), ("rust", 100), ("zig", 100)]
)
def test_requests_see_their_own_variables(language: str, requests: int, tmp_path: Path) -> None:
    given = {"env": {"LEVEL": "3"}, "rename_funcs": {"_start": "answer"}, "cache": False, "late": ["env"]}
    result = build(ROOT / f"fixtures/world/{language}.wasm", **given)  # type: ignore[arg-type]
    with serving(written(tmp_path, result)) as server:
        for number in range(requests):
            _, _, body = server.ask(f"/?request={number}", headers={"X-Own": "y" * (number % 50), f"X-N-{number}": "1"})
            lines = body.decode().splitlines()
            assert lines[0] == "configured 3"
            variables = dict(line.split("=", 1) for line in lines[1:])
            assert variables["QUERY_STRING"] == f"request={number}"
            assert variables.get("HTTP_X_OWN", "") == "y" * (number % 50)
            assert [name for name in variables if name.startswith("HTTP_X_N_")] == [f"HTTP_X_N_{number}"]
            assert "LEVEL" not in variables and "PREINIT_LATE" not in variables
        assert any("each instance fetches its own environment" in line for line in server.log)
        assert not any(FROZEN in line for line in server.log)


def test_a_frozen_environment_is_told_once_when_it_shows(tmp_path: Path) -> None:
    with serving(written(tmp_path, built())) as server:
        for _ in range(3):
            assert b"QUERY_STRING" not in server.ask("/?a=1")[2]
        assert server.logged(FROZEN)
        assert sum(FROZEN in line for line in server.log) == 1


@pytest.mark.parametrize(
    "path", [ROOT / "fixtures/cgi/cgi.wasm", ROOT / "fixtures/world/world.wasm"], ids=["cgi", "world"]
)
def test_a_module_that_fetches_it_by_itself_is_not_warned_of(path: Path, tmp_path: Path) -> None:
    if path.name == "cgi.wasm":
        path = written(tmp_path, build(path, rename_funcs={"_start": "preinit_resume"}, cache=False))
        with serving(path) as server:
            server.ask("/env")
    else:
        with serving(path, "--entry", "answer") as server:
            assert b"QUERY_STRING=a" in server.ask("/?a")[2]
    assert not any(FROZEN in line for line in server.log)


def test_what_could_not_be_bound_is_told_at_the_start() -> None:
    said: list[str] = []
    text = """(module (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "preinit_initialize") (drop (call $get (i32.const 16) (i32.const 1024))) (i32.store (i32.const 16)
        (i32.const 0)))
      (func (export "answer")))"""
    result = build(text.encode(), late=["env"], rename_funcs={"_start": "answer"}, cache=False)
    Application(result.wasm, log=said.append, cache=False).close()
    assert len(said) == 1 and FROZEN in said[0]
    assert "could not be bound" in said[0] and "`--late env`" not in said[0], "it was built with that"


def test_other_folders_than_the_module_was_prepared_for_are_warned_of(tmp_path: Path) -> None:
    result = build(FOLDERS, init_funcs=["list"], rename_funcs={"_start": "read"}, late_dirs=["/data"], cache=False)
    said: list[str] = []
    Application(result.wasm, log=said.append, cache=False).close()
    assert said == ["warning: the module was prepared for other folders, in this order: --dir HOST::/data"]
    said.clear()
    Application(result.wasm, log=said.append, cache=False, dirs={str(tmp_path): "/data"}).close()
    assert said == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"folders": 3}', b"[" * 100_000, b'{"environment": ["x"]}'])
def test_any_section_of_that_name_is_survived(content: bytes) -> None:
    title = write.name("preinit.late")
    section = b"\0" + write.uleb(len(title) + len(content)) + title + content
    result = build(WORLD, rename_funcs={"_start": "answer"}, cache=False)
    Application(result.wasm + section, log=lambda line: None, cache=False).close()


@pytest.mark.parametrize(("prints", "status"), [(True, 200), (False, 500)])
def test_an_entry_that_does_not_return_what_it_should_is_logged_with_its_exit_code(
    prints: bool, status: int, tmp_path: Path
) -> None:
    text = f"""(module
      (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\1d\\00\\00\\00")
      (data (i32.const 16) "Content-Type: text/plain\\n\\nhi\\n")
      (func (export "preinit_initialize"))
      (func (export "go") (param i32) (result i32)
        (if (i32.const {int(prints)})
          (then (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))) (i32.const 0)))"""
    result = build(text.encode(), rename_funcs={"_start": "go(7)=1"}, cache=False)
    with serving(written(tmp_path, result)) as server:
        assert server.ask("/")[0] == status
        assert server.logged("exit code 1")
