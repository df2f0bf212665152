"""Examples in help. Those of pages are in `test_pages`."""

from __future__ import annotations

import textwrap
from pathlib import Path

from preinit.batch import read_jobs
from tests.support.command import run


def test_the_job_file_of_help_is_one(tmp_path: Path) -> None:
    help_ = run("batch", "--help", code=0).stdout.decode()
    help_ = textwrap.dedent(help_[help_.index("  input = ") :].partition("\n\n")[0])
    for name in ("hello.js", "hello.txt"):
        (tmp_path / name).write_text("text")
    (tmp_path / "lib").mkdir()
    (tmp_path / "jobs.toml").write_text(help_)
    batch = read_jobs(tmp_path / "jobs.toml")
    assert batch.options.init_funcs == ("initialize-runtime",)
    assert batch.jobs[0].output == tmp_path / "out" / "hello.wasm"
