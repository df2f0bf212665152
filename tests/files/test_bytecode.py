"""The package's bytecode in one file: commands start from it, and nothing else changes."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preinit.bytecode import HEAD, LENGTH
from tests.support.places import PACKAGE

#: A command that ends by saying which of its modules came from the file.
_COMMAND = """
import os, sys
from preinit.bytecode import _Loader

def leave(code):
    ours = [m for name, m in sys.modules.items() if name.startswith("preinit.")]
    from_file = [m for m in ours if isinstance(m.__spec__.loader, _Loader)]
    print("FROM", len(from_file), "OF", len(ours), os.path.dirname(main.__code__.co_filename), file=sys.stderr)
    exit_now(code)

exit_now, os._exit = os._exit, leave
from preinit.cli import main
sys.argv[0] = "preinit"
main()
"""

_MODULE = '(module (memory (export "m") 1) (func (export "wizer.initialize") (i32.store (i32.const 8) (i32.const 42))))'

#: Those that are imported before the file is: the package, the command line and what reads it.
_BEFORE = 2

needs_pread = pytest.mark.skipif(not hasattr(os, "pread"), reason="Python can't read a file at a place here")
pytestmark = needs_pread


class Installed:
    """A copy of the package, without any bytecode."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "preinit"
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "in.wat").write_text(_MODULE)

    @property
    def files(self) -> list[Path]:
        return sorted(self.package.glob("__pycache__/*.all"))

    def run(self, *flags: str, **variables: str) -> tuple[int, int, str]:
        """Builds; how many modules came from the file, of how many, and where the code says that it is from."""
        unset = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONOPTIMIZE")
        env = {name: value for name, value in os.environ.items() if name not in unset}
        env |= {"PYTHONPATH": str(self.folder), **variables}
        output = self.folder / "out.wasm"
        output.unlink(missing_ok=True)
        build = ("build", str(self.folder / "in.wat"), "-o", str(output), "--no-cache", "-q")
        done = subprocess.run(
            [sys.executable, *flags, "-c", _COMMAND, *build],
            cwd=self.folder, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert output.read_bytes()[:4] == b"\0asm"
        said = done.stderr.split("FROM ")[1].split()
        return int(said[0]), int(said[2]), said[3]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "one")


def test_the_second_command_takes_its_modules_from_one_file(installed: Installed) -> None:
    assert installed.run()[0] == 0
    (file,) = installed.files
    written = file.stat().st_mtime_ns
    some, all_of_them, place = installed.run()
    assert all_of_them > 100
    assert some == all_of_them - _BEFORE
    assert place == str(installed.package / "cli")
    assert installed.files == [file]
    assert file.stat().st_mtime_ns == written, "nothing was new"


def test_asking_for_the_version_is_enough(installed: Installed) -> None:
    """Python has compiled all modules where pip installed them."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(installed.package)], check=True)
    env = {**os.environ, "PYTHONPATH": str(installed.folder)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([sys.executable, "-m", "preinit", "--version"], env=env, cwd=installed.folder, check=True)
    assert len(installed.files) == 1
    some, all_of_them, _ = installed.run()
    assert some == all_of_them - _BEFORE


def test_an_edited_module_is_what_runs(installed: Installed) -> None:
    installed.run()
    version = installed.package / "version.py"
    version.write_text(version.read_text().replace('"0.', '"77.'))
    installed.run()
    assert b"77." in (installed.folder / "out.wasm").read_bytes(), "the output names the version that made it"
    some, all_of_them, _ = installed.run()
    assert some == all_of_them - _BEFORE, "it was written anew"


def upgraded(installed: Installed) -> None:
    """Another version takes the place of the package, whose files have the same sizes and times."""
    version = installed.package / "version.py"
    status = version.stat()
    version.write_text(version.read_text().replace("0.", "7.", 1))
    os.utime(version, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert version.stat().st_size == status.st_size


def test_another_version_with_the_same_times_is_what_runs(installed: Installed) -> None:
    """As Python's own files, which pip and others remove and make anew, this one does not outlive the version."""
    installed.run()
    upgraded(installed)
    for compiled in installed.package.rglob("*.pyc"):
        compiled.unlink()
    installed.run()
    assert b"7.1.0" in (installed.folder / "out.wasm").read_bytes()


def test_bytecode_that_is_made_anew_by_digests_is_what_runs(installed: Installed) -> None:
    installed.run()
    upgraded(installed)
    mode = ["--invalidation-mode", "checked-hash", "-f"]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *mode, str(installed.package)], check=True)
    assert installed.run()[0] == 0
    assert b"7.1.0" in (installed.folder / "out.wasm").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX systems")
def test_others_can_write_to_it_as_little_as_to_pythons(installed: Installed) -> None:
    before = os.umask(0)
    try:
        installed.run()
    finally:
        os.umask(before)
    (file,) = installed.files
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_file_that_is_not_to_be_changed_is_replaced(installed: Installed) -> None:
    installed.run()
    (file,) = installed.files
    file.write_bytes(b"")
    file.chmod(0o400)
    installed.run()
    assert installed.run()[0] > 100


def damaged_index(data: bytes) -> bytes:
    """Each entry has lost a field."""
    start = data.index(b"\n") + 1 + LENGTH
    size = int.from_bytes(data[start - LENGTH : start], "little")
    index = marshal.dumps({name: entry[1:] for name, entry in marshal.loads(data[start : start + size]).items()})
    return data[: start - LENGTH] + len(index).to_bytes(LENGTH, "little") + index


@pytest.mark.parametrize(
    "damage",
    [damaged_index, lambda data: HEAD + (5).to_bytes(LENGTH, "little") + marshal.dumps(7)],
    ids=["fields", "number"],
)
def test_an_index_that_says_something_else_is_written_anew(
    installed: Installed, damage: Callable[[bytes], bytes]
) -> None:
    installed.run()
    (file,) = installed.files
    file.write_bytes(damage(file.read_bytes()))
    assert installed.run()[0] == 0
    assert installed.run()[0] > 100


def test_a_build_that_is_done_does_not_fail_for_it(installed: Installed) -> None:
    writer = installed.package / "files" / "bytecode.py"
    writer.write_text(writer.read_text().replace("places = bytecode.places", "raise MemoryError", 1))
    installed.run()
    assert not installed.files


def test_a_module_that_is_gone_is_not_found(installed: Installed) -> None:
    installed.run()
    (installed.package / "version.py").unlink()
    with pytest.raises(AssertionError, match="version"):
        installed.run()


@pytest.mark.parametrize(
    "damaged",
    [b"", b"preinit", b"\0" * 5_000, b"preinit bytecode 0, cpython-311 30b00f0\n" + b"\xff" * 100],
    ids=["empty", "cut", "zeros", "other"],
)
def test_a_damaged_file_is_written_anew(installed: Installed, damaged: bytes) -> None:
    installed.run()
    (file,) = installed.files
    file.write_bytes(damaged)
    assert installed.run()[0] == 0
    some, all_of_them, _ = installed.run()
    assert some == all_of_them - _BEFORE


def test_a_file_whose_end_is_missing_is_written_anew(installed: Installed) -> None:
    installed.run()
    (file,) = installed.files
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert installed.run()[1] > 100
    assert file.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name")
def test_a_pipe_of_that_name_is_not_waited_for(installed: Installed) -> None:
    installed.run()
    (file,) = installed.files
    file.unlink()
    os.mkfifo(file)
    assert installed.run()[0] == 0


def test_nothing_is_written_where_python_writes_no_bytecode(installed: Installed) -> None:
    installed.run(PYTHONDONTWRITEBYTECODE="1")
    assert not installed.files
    assert not list(installed.package.glob("__pycache__"))


def test_the_file_is_where_python_keeps_bytecode(installed: Installed, tmp_path: Path) -> None:
    installed.run(PYTHONPYCACHEPREFIX=str(tmp_path / "kept"))
    assert not installed.files
    assert len(list((tmp_path / "kept").rglob("*.all"))) == 1
    some, all_of_them, _ = installed.run(PYTHONPYCACHEPREFIX=str(tmp_path / "kept"))
    assert some == all_of_them - _BEFORE


def test_optimized_bytecode_has_a_file_of_its_own(installed: Installed) -> None:
    installed.run()
    installed.run("-OO")
    assert len(installed.files) == 2
    assert installed.run("-OO")[0] > 100
    assert installed.run()[0] > 100


def test_bytecode_that_goes_by_a_digest_of_the_source_stays_pythons(installed: Installed) -> None:
    """https://peps.python.org/pep-0552/ : what time and size are is not known there."""
    mode = ["--invalidation-mode", "checked-hash"]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *mode, str(installed.package)], check=True)
    assert installed.run()[0] == 0
    assert not installed.files


def test_bytecode_from_another_place_is_not_taken(installed: Installed) -> None:
    """Its tracebacks would name that; and it would be written again and again."""
    command = [sys.executable, "-m", "compileall", "-q", "preinit"]  # the names in there are relative
    subprocess.run(command, cwd=installed.folder, check=True)
    assert installed.run()[0] == 0
    assert not installed.files


def test_copies_without_fractions_of_seconds_are_as_good(installed: Installed) -> None:
    installed.run()
    for compiled in installed.package.rglob("*.pyc"):
        os.utime(compiled, (int(compiled.stat().st_mtime), int(compiled.stat().st_mtime)))
    some, all_of_them, _ = installed.run()
    assert some == all_of_them - _BEFORE


def test_a_package_that_was_moved_says_where_it_is_now(installed: Installed, tmp_path: Path) -> None:
    installed.run()
    installed.folder.rename(tmp_path / "two")
    installed.folder, installed.package = tmp_path / "two", tmp_path / "two" / "preinit"
    (file,) = installed.files
    assert installed.run()[2] == str(installed.package / "cli")
    size = file.stat().st_size
    assert installed.run()[2] == str(installed.package / "cli")
    assert size == file.stat().st_size < 1_000, "what can't be used is not there any more"
