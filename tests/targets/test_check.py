"""`preinit build --check`."""

from __future__ import annotations

from pathlib import Path

from tests.support.projects import TWO, project, said, words

VERIFIED = TWO.replace("keep-init-func = true", 'verify = { calls = ["run"] }').replace(
    'first.wasm"', 'first.wasm"\nverify = true'
)


def everything(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_check_passes_what_a_build_would_give_and_writes_nothing(tmp_path: Path) -> None:
    project(tmp_path, TWO + 'report = "report.json"\n')
    said(tmp_path)
    for path in (tmp_path / "out").glob(".*"):
        path.unlink()
    before = everything(tmp_path)
    assert words(said(tmp_path, "--check")) == {"first": "checked", "second": "checked"}
    assert everything(tmp_path) == before


def test_check_fails_where_an_output_is_not_what_a_build_would_give(tmp_path: Path) -> None:
    project(tmp_path)
    said(tmp_path)
    output = tmp_path / "out/first.wasm"
    data = bytearray(output.read_bytes())
    data[data.index(b"\x0b\x01\x2a") + 2] = 43
    output.write_bytes(data)
    (tmp_path / "out/second.wasm").unlink()
    before = everything(tmp_path)
    text = said(tmp_path, "--check", code=1)
    assert words(text) == {"first": "failed", "second": "failed"}
    assert "error[stale]: the output 'out/first.wasm' is not what a build gives: the first difference is at" in text
    assert "in the data section" in text
    assert "'out/second.wasm' can't be read: No such file" in text
    assert "what to do: Build it: preinit build first" in text
    assert everything(tmp_path) == before
    output.write_bytes(bytes(data) + b"\0\1\0")
    assert f"it has {len(data) + 3:,} bytes, not {len(data):,}; " in said(tmp_path, "first", "--check", code=1)


def test_check_says_what_can_not_be_checked(tmp_path: Path) -> None:
    (project(tmp_path, TWO + 'random = "host"\n') / "out").mkdir()
    assert "they give can't be compared" in said(tmp_path, "second", "--check", code=1)
    project(tmp_path, TWO + 'dirs = { out = "/" }\nwritable = true\n')
    assert "folders that they may write" in said(tmp_path, "second", "--check", code=1)
