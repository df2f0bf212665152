"""Examples in documents and in help."""

from __future__ import annotations

import textwrap
from pathlib import Path

from preinit.batch import read_jobs
from tests.support.command import run
from tests.support.places import README


def test_the_job_files_of_the_readme_and_of_help_are_job_files(tmp_path: Path) -> None:
    readme = README.read_text(encoding="utf-8")
    help_ = run("batch", "--help", code=0).stdout.decode()
    help_ = textwrap.dedent(help_[help_.index("  module = ") :].partition("\n\n")[0])
    shown = next(part for part in readme.split("```toml\n") if part.startswith('module = "engine.wasm"'))
    for name in ("hello.js", "hello.txt", "page.html"):
        (tmp_path / name).write_text("text")
    (tmp_path / "lib").mkdir()
    texts = [shown.partition("```")[0], help_]
    for text in texts:
        (tmp_path / "jobs.toml").write_text(textwrap.dedent(text))
        batch = read_jobs(tmp_path / "jobs.toml")
        assert batch.options.timeout == 60
        assert batch.jobs[0].output == tmp_path / "out" / "hello.wasm"
