"""Code of the cache that ends the process, with a digest that is right: the next build compiles anew, and says so."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.support.command import GOOD, assert_initialized, run
from tests.support.modules import wasm
from tests.support.sealed import MODULE, MODULE_START, sealed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX systems")

#: What comes before the code: magic, checksum, the length of the one module's code.
HEAD = MODULE_START + 8
SAID = b"the code in the cache was running when an earlier process died"


def crash(entry: Path) -> None:
    """Fills the machine code of an entry with an instruction that no user may execute, and seals it."""
    before = entry.read_bytes()
    code, length_of_code = bytearray(before[HEAD:]), before[HEAD - 8 : HEAD]
    (sections,) = struct.unpack_from("<Q", code, 0x28)
    size, number, names = struct.unpack_from("<HHH", code, 0x3A)
    table = [struct.unpack_from("<IIQQQQ", code, sections + size * index) for index in range(number)]
    for name, _, _, _, offset, length in table:
        if code[table[names][4] + name :].startswith(b".text\0"):
            code[offset : offset + length] = b"\xf4" * length  # hlt; on 64-bit ARM, an undefined instruction
    rest = length_of_code + code
    entry.write_bytes(sealed(MODULE, entry.name, bytes(rest)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose target was built, so that there is code in the cache; it ends the process."""
    (tmp_path / "in.wasm").write_bytes(wasm(GOOD))
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "preinit.toml").write_text('[targets.one]\ninput = "in.wasm"\noutput = "out.wasm"\n')
    built(tmp_path, "build", "in.wasm", "-o", "out.wasm", code=0)
    (entry,) = (tmp_path / "cache" / "modules").iterdir()
    crash(entry)
    (tmp_path / "out.wasm").unlink()
    return tmp_path


def built(project: Path, *arguments: str, code: int | None = None) -> tuple[int, bytes]:
    done = run(*arguments, cwd=project, code=code, PREINIT_CACHE_DIR=str(project / "cache"))
    return done.returncode, done.stderr


def test_the_next_build_compiles_anew(project: Path) -> None:
    arguments = ("build", "in.wasm", "-o", "out.wasm")
    code, _ = built(project, *arguments)
    assert code not in (0, 1, 2)
    assert not (project / "out.wasm").exists()
    _, said = built(project, *arguments, code=0)
    assert SAID in said
    assert_initialized((project / "out.wasm").read_bytes())
    _, said = built(project, *arguments, code=0)
    assert SAID not in said


def test_a_target_is_built_again_at_once(project: Path) -> None:
    _, said = built(project, "build", code=0)
    assert b"the process that built it died, and it was built again" in said
    assert_initialized((project / "out.wasm").read_bytes())


def test_a_batch_does_the_job_again_at_once(project: Path) -> None:
    (project / "jobs.toml").write_text('input = "in.wasm"\noutput-dir = "."\n[[job]]\noutput = "out.wasm"\n')
    _, said = built(project, "batch", "jobs.toml", code=0)
    assert b"built              1" in said
    assert_initialized((project / "out.wasm").read_bytes())
