"""What makes a target be built again, and what is kept of it: never a secret."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from preinit.targets import Fingerprint, Target, change, fingerprint, load, options_of, state, state_bytes, state_file
from tests.support.batches import KEEPER
from tests.support.command import GOOD
from tests.support.modules import wasm
from tests.support.projects import ENVIRONMENT, said, words

CONFIG = """
[targets.a]
input = "good.wasm"
output = "out.wasm"
report = "report.json"
stubs = { "env.f" = "zero" }
preloads = { lib = "lib.wasm" }
timeout = 60
max-size = "1MiB"
dirs = { data = "/data" }
stdin = "typed.txt"
inherit-env = ["TOKEN"]
env = { LANG = "C" }
"""
TOKEN = "correct-horse-battery"
GUEST = GOOD.replace("(memory", '(import "env" "f" (func)) (import "lib" "g" (func)) (memory')


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of secrets that are quick to make, and to guess; not for tests in which the command looks at them, too."""
    monkeypatch.setitem(state._COST, "n", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that is up to date."""
    (tmp_path / "preinit.toml").write_text(CONFIG)
    (tmp_path / "good.wasm").write_bytes(wasm(GUEST))
    (tmp_path / "lib.wasm").write_bytes(wasm('(module (func (export "g")))'))
    (tmp_path / "typed.txt").write_text("typed")
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/sub/file").write_text("x")
    (tmp_path / "data/link").symlink_to("sub/file")
    built(tmp_path)
    assert reason(tmp_path) is None
    return tmp_path


def parts(folder: Path, **environment: str) -> tuple[Target, Fingerprint, dict[str, Path]]:
    target = load(folder / "preinit.toml").targets["a"]
    now = fingerprint(target, options_of(target, {"TOKEN": TOKEN, **environment}))
    return target, now, dict(zip(("output", "report"), target.writes, strict=False))


def built(folder: Path, **environment: str) -> None:
    """Writes what a build leaves behind."""
    target, now, files = parts(folder, **environment)
    written = {}
    for key, path in files.items():
        path.write_text(key)
        written[key] = hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError):
        state_file(target.output).write_bytes(state_bytes(now, written))


def reason(folder: Path, **environment: str) -> str | None:
    """Why the target would be built again, as a code."""
    target, now, files = parts(folder, **environment)
    found = change(target.output, now, files)
    return found.code if found else None


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "preinit.toml").read_text()
    assert old in text
    (folder / "preinit.toml").write_text(text.replace(old, new))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "the input": (lambda f: (f / "good.wasm").write_bytes(wasm(GUEST.replace("42", "43"))), "input"),
    "a stub": (lambda f: edit(f, '"zero"', '"trap"'), "options"),
    "the layout": (lambda f: edit(f, "timeout", 'layout = "few"\ntimeout'), "options"),
    "a budget": (lambda f: edit(f, '"1MiB"', '"2MiB"'), "options"),
    "the seed": (lambda f: edit(f, "stdin", 'random = "seed:1"\nstdin'), "options"),
    "the clock": (lambda f: edit(f, "stdin", 'clock = "epoch:1"\nstdin'), "options"),
    "a variable's name": (lambda f: edit(f, "LANG", "LONG"), "options"),
    "a variable's value": (lambda f: edit(f, '"C"', '"D"'), "world"),
    "standard input": (lambda f: (f / "typed.txt").write_text("more"), "world"),
    "a preload": (lambda f: (f / "lib.wasm").write_bytes(wasm('(module (func (export "g") nop))')), "files"),
    "a preload's name": (lambda f: edit(f, '{ lib = "lib.wasm" }', '{ lib = "lib.wasm", x = "lib.wasm" }'), "files"),
    "a file": (lambda f: (f / "data/sub/file").write_text("y"), "files"),
    "a new file": (lambda f: (f / "data/sub/new").write_text(""), "files"),
    "a new folder": (lambda f: (f / "data/sub/new").mkdir(), "files"),
    "a renamed file": (lambda f: (f / "data/sub/file").rename(f / "data/sub/files"), "files"),
    "a link": (lambda f: [(f / "data/link").unlink(), (f / "data/link").symlink_to("sub")], "files"),
    "a guest path": (lambda f: edit(f, '"/data"', '"/date"'), "files"),
    "the output": (lambda f: (f / "out.wasm").write_bytes(b"x"), "output"),
    "the report": (lambda f: (f / "report.json").write_text("x"), "output"),
    "no output": (lambda f: (f / "out.wasm").unlink(), "missing"),
    "no report": (lambda f: (f / "report.json").unlink(), "missing"),
    "no state": (lambda f: (f / ".out.wasm.preinit-state").unlink(), "unknown"),
    "a broken state": (lambda f: (f / ".out.wasm.preinit-state").write_text("[" * 9999), "unknown"),
    "a strange state": (lambda f: (f / ".out.wasm.preinit-state").write_text('{"version": 1, "world": 7}'), "preinit"),
}  # fmt: skip


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_is_noticed_and_named(folder: Path, what: str) -> None:
    make, code = CHANGES[what]
    make(folder)
    assert reason(folder) == code
    built(folder)
    assert reason(folder) is None


def test_the_command_builds_what_changed_and_says_why(folder: Path) -> None:
    assert "a: built" in said(folder, "--force", TOKEN=TOKEN)
    assert words(said(folder, TOKEN=TOKEN)) == {"a": "up to date"}
    text = said(folder, TOKEN="another secret")
    assert "a: built" in text
    assert "(the environment or standard input changed)" in text
    (folder / "good.wasm").write_bytes(wasm(GUEST.replace("42", "43")))
    assert "(the input changed)" in said(folder, TOKEN="another secret")


def test_inherited_variables_and_the_epoch_count_too(folder: Path) -> None:
    assert reason(folder, TOKEN="another") == "world"
    assert reason(folder, SOURCE_DATE_EPOCH="5") == "options"
    assert reason(folder, OTHER="x") is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("field", ["preinit", "input", "options", "files", "world", "written"])
@pytest.mark.parametrize(
    "value", [None, 3, [], {}, "x", {"salt": "zz", "hash": 3}, {"salt": "00", "hash": "x"}], ids=str
)
def test_a_state_that_is_damaged_only_makes_the_target_be_built(tmp_path: Path, field: str, value: object) -> None:
    output = tmp_path / "out.wasm"
    output.write_bytes(b"x")
    now = Fingerprint("0", "1", "2", "3", b"world")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    state_file(output).write_bytes(state_bytes(now, {"output": digest}))
    assert change(output, now, {"output": output}) is None
    facts = json.loads(state_file(output).read_text())
    facts[field] = value
    state_file(output).write_text(json.dumps(facts))
    assert change(output, now, {"output": output})


def test_what_does_not_matter_leaves_a_target_up_to_date(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1, 1))
    edit(folder, "timeout = 60", "timeout = 61\ncache = false")
    edit(folder, "[targets.a]", "# a comment\n[targets.a]")
    (folder / "beside").write_text("x")
    assert reason(folder) is None


def test_the_host_s_file_times_count_where_the_guest_sees_them(folder: Path) -> None:
    edit(folder, "stdin", 'file-times = "host"\nstdin')
    built(folder)
    assert reason(folder) is None
    os.utime(folder / "data/sub/file", (1, 1))
    assert reason(folder) == "files"


def test_a_target_whose_guest_may_write_is_always_built(folder: Path) -> None:
    edit(folder, "stdin", "writable = true\nstdin")
    built(folder)
    assert "(its guest may write files)" in said(folder, TOKEN=TOKEN)


def test_an_output_in_a_folder_that_its_own_guest_sees_does_not_make_it_stale(folder: Path) -> None:
    edit(folder, 'output = "out.wasm"\nreport = "report.json"', 'output = "data/out.wasm"\nreport = "data/report.json"')
    built(folder)
    assert reason(folder) is None


def test_no_secret_is_kept_and_the_same_secrets_leave_different_hashes(folder: Path) -> None:
    state = folder / ".out.wasm.preinit-state"
    first = json.loads(state.read_text())
    built(folder)
    second = json.loads(state.read_text())
    assert first["world"]["salt"] != second["world"]["salt"]
    assert first["world"]["hash"] != second["world"]["hash"]
    assert {**first, "world": 0, "written": 0} == {**second, "world": 0, "written": 0}
    text = state.read_text()
    for plain in (TOKEN, "typed"):
        assert plain not in text
        assert hashlib.sha256(plain.encode()).hexdigest() not in text


def test_where_no_state_can_be_kept_the_target_is_built_each_time(folder: Path) -> None:
    long = "x" * 240 + ".wasm"  # with what the state's name adds, longer than names may be
    edit(folder, "out.wasm", long)
    assert words(said(folder, TOKEN=TOKEN)) == {"a": "built"}
    assert (folder / long).exists()
    assert reason(folder) == "unknown"


def test_what_an_initializer_is_given_counts_as_its_content(tmp_path: Path) -> None:
    text = '[targets.a]\ninput = "keeper.wasm"\noutput = "out.wasm"\ninit-funcs = ["take(@app.js)"]\nverify = true\n'
    (tmp_path / "preinit.toml").write_text(text)
    (tmp_path / "keeper.wasm").write_bytes(wasm(KEEPER))
    (tmp_path / "app.js").write_text("one")
    said(tmp_path, "--depfile", "out.d")
    assert b"one" in (tmp_path / "out.wasm").read_bytes()
    assert "out.wasm: preinit.toml \\\n  keeper.wasm \\\n  app.js\n" in (tmp_path / "out.d").read_text()
    assert words(said(tmp_path)) == {"a": "up to date"}
    said(tmp_path, "--check")
    (tmp_path / "app.js").write_text("two")
    assert "(data, preloads or folders changed)" in said(tmp_path)
    assert b"two" in (tmp_path / "out.wasm").read_bytes()


def test_what_a_guest_is_given_reaches_it(tmp_path: Path) -> None:
    (tmp_path / "in.wat").write_text(ENVIRONMENT)
    (tmp_path / "preinit.toml").write_text(
        '[targets.a]\ninput = "in.wat"\noutput = "o.wasm"\ninherit-env = ["TOKEN"]\nenv = { K = "V" }\n'
    )
    text = said(tmp_path, TOKEN=TOKEN)
    assert "TOKEN" in text
    assert TOKEN not in text
    data = (tmp_path / "o.wasm").read_bytes()
    assert b"TOKEN=correct-horse-battery\0K=V" in data
