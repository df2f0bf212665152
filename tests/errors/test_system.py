"""What the system refuses is told as that, and not as a fault of the file or program that was asked for."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from preinit.errors import SystemLimit, as_error, as_limit, way_out
from tests.support.command import PATIENCE, run
from tests.support.modules import wasm

GOOD = '(module (func (export "preinit_initialize")) (func (export "go")))'
posix = pytest.mark.skipif(os.name != "posix", reason="limits of processes and signals are POSIX's")

#: Leaves so many descriptors to open, then builds.
WITH_FEW_FILES = """
import os, resource, sys
import preinit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
for source in sys.argv[2:]:
    preinit.build(source, cache=False)  # what it imports is imported
opened = []
try:
    while True:
        opened.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for descriptor in opened[: int(sys.argv[1])]:
    os.close(descriptor)
try:
    preinit.build(sys.argv[2], cache=False)
except preinit.PreinitError as problem:
    print(problem.code, problem)
"""


@posix
@pytest.mark.parametrize(("left", "name", "code"), [(0, "again.wasm", ""), (2, "text.wat", "system-limit")])
def test_too_many_open_files_are_not_blamed_on_the_input_or_on_wasm_tools(
    tmp_path: Path, left: int, name: str, code: str
) -> None:
    (tmp_path / "again.wasm").write_bytes(wasm(GOOD))
    (tmp_path / "text.wat").write_text(GOOD)
    done = subprocess.run(
        [sys.executable, "-c", WITH_FEW_FILES, str(left), tmp_path / name],
        capture_output=True, timeout=PATIENCE, check=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith(code)
    assert "oo many" in done.stdout
    assert "ulimit -n" in done.stdout
    assert "nstall" not in done.stdout
    assert "exists" not in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("option", ["-o", "--report", "--html"])
def test_a_full_device_is_not_said_to_need_a_writable_folder(tmp_path: Path, option: str) -> None:
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD))
    outputs = ["-o", tmp_path / "out"] if option != "-o" else []
    said = run("build", tmp_path / "good.wasm", *outputs, option, "/dev/full", code=1).stderr.decode()
    assert "No space left" in said
    assert "Make room" in said
    assert "folder" not in said


def test_standard_output_on_a_full_device_is_told_as_that(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "preinit", "build", tmp_path / "good.wasm"],
            stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"Make room" in done.stderr


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=errno.errorcode.get
)
def test_a_limit_of_the_system_is_no_bug_and_has_its_own_way_out(number: int) -> None:
    problem = OSError(number, os.strerror(number))
    told = as_error(problem)
    assert isinstance(told, SystemLimit)
    assert "bug" not in str(told)
    assert way_out(problem, "Try another file.") == told.hint != "Try another file."


def test_what_is_about_a_file_keeps_the_way_out_of_its_place() -> None:
    problem = FileNotFoundError(errno.ENOENT, "No such file")
    assert way_out(problem, "Try another file.") == "Try another file."
    assert as_limit(problem, "it can't be started") is None


#: Ends the process after the output's content was written, before it has its name.
TERMINATED = """
import os, signal, sys
from preinit.files import replace
write_all = replace.write_all
def write_and_terminate(number, data):
    write_all(number, data)
    os.kill(os.getpid(), signal.{signal})
replace.write_all = write_and_terminate
from preinit.cli import main
main()
"""


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_before_the_output_has_its_name_leaves_nothing_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD))
    (tmp_path / "out.wasm").write_bytes(b"as it was")
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED.format(signal=name), "build", "good.wasm", "-o", "out.wasm"],
        cwd=tmp_path, capture_output=True, timeout=PATIENCE, env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )  # fmt: skip
    assert done.returncode == 128 + getattr(signal, name), done.stderr.decode()
    assert b"error[interrupted]" in done.stderr
    assert b"Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.wasm", "out.wasm"]
    assert (tmp_path / "out.wasm").read_bytes() == b"as it was"


@posix
def test_sigterm_ends_a_target_of_a_config_file_without_leaving_anything(tmp_path: Path) -> None:
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD))
    (tmp_path / "preinit.toml").write_text('[targets.a]\ninput = "good.wasm"\noutput = "out.wasm"\n')
    script = TERMINATED.format(signal="SIGTERM").replace(
        "preinit.cli import main", "preinit.targets.worker import main"
    )
    (tmp_path / "worker.py").write_text(script)
    change = (
        "import subprocess\nfrom preinit.targets import workers\nstart = subprocess.Popen\n"
        f"def popen(command, **more): return start([command[0], {str(tmp_path / 'worker.py')!r}], **more)\n"
        "subprocess.Popen = popen\nfrom preinit.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", change, "build"],
        cwd=tmp_path, capture_output=True, timeout=PATIENCE, env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr.decode()
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]
    assert not (tmp_path / "out.wasm").exists()


@posix
def test_sigterm_is_left_alone_where_whoever_started_the_command_ignores_it(tmp_path: Path) -> None:
    (tmp_path / "good.wasm").write_bytes(wasm(GOOD))
    script = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + TERMINATED.format(signal="SIGTERM")
    subprocess.run(
        [sys.executable, "-c", script, "build", "good.wasm", "-o", "out.wasm"],
        cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=True,
        env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )  # fmt: skip
    assert (tmp_path / "out.wasm").exists()


#: Builds once, then again where no more threads can be started.
WITH_LIMIT = """
import os, resource, sys
import preinit, preinit.options.tables
module = bytes.fromhex(sys.argv[1])
preinit.build(module, cache=False)  # what it imports is imported
import difflib, threading  # another user may not be able to read these
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.geteuid() == 0:
    os.setuid(65534)  # for root there is no such limit
try:
    preinit.build(module, cache=False)
except preinit.PreinitError as problem:
    print(problem.code, problem)
"""


@posix
def test_too_few_processes_are_told_as_that(tmp_path: Path) -> None:
    path = tmp_path / "in.wasm"
    path.write_bytes(wasm(GOOD))
    done = subprocess.run(
        [sys.executable, "-c", WITH_LIMIT, path.read_bytes().hex()],
        capture_output=True, timeout=PATIENCE, check=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith("system-limit "), done.stdout + done.stderr
    assert "ulimit -u" in done.stdout


@posix
@pytest.mark.parametrize("megabytes", [150, 300, 600, 900])
def test_too_little_address_space_is_told_as_that(tmp_path: Path, megabytes: int) -> None:
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD.replace("(module", '(module (memory (export "memory") 100)')))
    change = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20},) * 2)"
    done = subprocess.run(
        [sys.executable, "-c", f"{change}; from preinit.cli import main; main()", "build", "in.wasm", "-o", "out.wasm"],
        cwd=tmp_path, capture_output=True, timeout=PATIENCE, env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr.decode()
    assert b"ulimit -v" in done.stderr, done.stderr.decode()
    assert b"bug" not in done.stderr
    assert b"--max-memory" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "out.wasm").exists()


#: Validates, compiles or starts a guest's thread under limits that leave so many megabytes, the last being enough.
UNDER_LIMITS = """
import resource, sys
from pathlib import Path
from preinit import PreinitError
from preinit.engine.code import compile_module
from preinit.engine.runtime import Deadline, EngineSettings, new_engine
from preinit.engine.validation import check
wasm, engine = sys.stdin.buffer.read(), new_engine(EngineSettings("cranelift"))
does = {
    "validate": lambda: check(wasm),
    "compile": lambda: compile_module(engine, wasm, None, None),
    "run": lambda: Deadline(None).start(lambda: check(wasm)).result(),
}[sys.argv[1]]
does()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
for megabytes in (1, 30, 900):
    resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), resource.RLIM_INFINITY))
    try:
        does()
        print("done")
    except PreinitError as problem:
        print(problem.code, "ulimit -v" in problem.hint)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="nothing tells here what a process has taken")
@pytest.mark.parametrize("does", ["validate", "compile", "run"])
def test_an_engine_that_would_be_refused_memory_is_not_asked(does: str) -> None:
    constants = "(drop (i32.const 1))" * 200
    text = f"(module {f'(func {constants})' * 300})" if does == "compile" else GOOD
    done = subprocess.run(
        [sys.executable, "-c", UNDER_LIMITS, does],
        capture_output=True, timeout=PATIENCE, check=True, input=wasm(text),
    )  # fmt: skip
    assert done.stdout.decode().splitlines() == ["system-limit True", "system-limit True", "done"]


@posix
def test_a_file_that_may_not_be_that_large_is_told_as_that(tmp_path: Path) -> None:
    text = '(module (memory (export "memory") 9) (func (export "preinit_initialize") '
    text += "(memory.fill (i32.const 0) (i32.const 7) (i32.const 500000))))"
    (tmp_path / "in.wasm").write_bytes(wasm(text))
    (tmp_path / "out.wasm").write_bytes(b"as it was")
    change = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    done = subprocess.run(
        [sys.executable, "-c", f"{change}; from preinit.cli import main; main()", "build", "in.wasm", "-o", "out.wasm"],
        cwd=tmp_path, capture_output=True, timeout=PATIENCE, env={**os.environ, "PREINIT_CACHE_DIR": os.devnull},
    )  # fmt: skip
    assert done.returncode == 1
    assert b"File too large" in done.stderr
    assert b"ulimit -f" in done.stderr
    assert (tmp_path / "out.wasm").read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wasm", "out.wasm"]
