"""Batches on this machine: what is written, what is left alone, what is said of each job."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from preinit import Host, build
from preinit.batch import read_jobs
from preinit.batch import run as run_batch
from preinit.batch.crews import Processes
from preinit.files.replace import replace_file
from tests.support.batches import KEEPER, Threads, expected, outputs, workshop
from tests.support.command import COMMAND, PATIENCE, fails, run
from tests.support.modules import wasm
from tests.support.places import README
from tests.support.processes import descendants, gone, wait_for

TEXTS = {f"job{number}": f"text number {number}" for number in range(6)}


def report(folder: Path, *arguments: str | Path, code: int = 0) -> dict[str, dict[str, Any]]:
    """What became of each job, by the name of its output."""
    run("batch", *arguments, "--report", folder / "report.json", code=code)
    found = json.loads((folder / "report.json").read_text())
    assert found["version"] == 1
    return {job["name"]: job for job in found["jobs"]}


@pytest.mark.parametrize("jobs", [1, 3])
def test_outputs_are_those_of_builds_in_any_order_by_any_number_of_processes(tmp_path: Path, jobs: int) -> None:
    names = list(TEXTS)
    random.Random(jobs).shuffle(names)
    path = workshop(tmp_path, {name: TEXTS[name] for name in names})
    done = run("batch", path, "--jobs", str(jobs), code=0)
    assert outputs(tmp_path / "out") == expected(TEXTS)
    assert b"built              6" in done.stderr
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_job_file_can_be_toml(tmp_path: Path) -> None:
    (tmp_path / "keeper.wasm").write_bytes(wasm(KEEPER))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    path = tmp_path / "jobs.toml"
    path.write_text("""
module = "keeper.wasm"
output_dir = "out"
[options]
layout = "few"
cache = false
env = { LANG = "C" }
[[job]]
output = "one.wasm"
stdin = "data/a.txt"
[[job]]
output = "deep/er/two.wasm"
init = ["wizer-initialize", "take(@data/a.txt)"]
args = ["two"]
dirs = { data = "/data" }
""")
    assert {job["status"] for job in report(tmp_path, path).values()} == {"built"}
    host = Host(stdin=b"a", env={"LANG": "C"})
    assert (tmp_path / "out" / "one.wasm").read_bytes() == build(wasm(KEEPER), host=host, layout="few").wasm
    assert (tmp_path / "out" / "deep" / "er" / "two.wasm").exists()


def test_a_folder_has_a_job_in_each_file(tmp_path: Path) -> None:
    module, folder = tmp_path / "keeper.wat", tmp_path / "in"
    module.write_text(KEEPER)
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "a, b (c).txt").write_text("a name with a comma")
    (folder / ".hidden").write_text("no job")
    (folder / "notes.md").write_text("no job")
    arguments = ("batch", folder, "-m", module, "-o", tmp_path / "out", "--pattern", "*.txt")
    run(*arguments, "--stdin-from", code=0)
    assert outputs(tmp_path / "out") == expected({**TEXTS, "a, b (c)": "a name with a comma"})
    run(*arguments, "-f", "take(@{})", "-o", tmp_path / "taken", code=0)
    taken = outputs(tmp_path / "taken")
    assert b"a name with a comma" in taken["a, b (c).wasm"]
    assert len(set(taken.values())) == 7


def test_jobs_that_fail_do_not_stop_the_others_and_can_be_done_later(tmp_path: Path) -> None:
    texts = {**TEXTS, "traps": "! no", "spins": "@ no"}
    path = workshop(tmp_path, texts, options={"timeout": 1.5, "cache": False})
    found = report(tmp_path, path, "--jobs", "2", code=1)
    assert {name: job["status"] for name, job in found.items()} == {
        **{f"{name}.wasm": "built" for name in TEXTS},
        "traps.wasm": "failed",
        "spins.wasm": "failed",
    }
    assert found["traps.wasm"]["error"]["code"] == "trap"
    assert found["traps.wasm"]["error"]["frames"]
    assert found["spins.wasm"]["error"]["code"] == "time-limit"
    assert set(outputs(tmp_path / "out")) == {f"{name}.wasm" for name in TEXTS}
    for name in ("traps", "spins"):
        (tmp_path / f"{name}.txt").write_text("fine now")
    found = report(tmp_path, path, "--resume")
    assert sorted(job["status"] for job in found.values()) == ["built"] * 2 + ["current"] * 6


def statuses(path: Path) -> dict[str, str]:
    """What became of each job, done by threads of this process."""
    return {job.name: job.status for job in run_batch(read_jobs(path), Threads, resume=True).results}


def test_what_is_up_to_date_depends_on_all_that_an_output_depends_on(tmp_path: Path) -> None:
    path = workshop(tmp_path, TEXTS)

    def built() -> set[str]:
        return {name for name, status in statuses(path).items() if status == "built"}

    everything = {f"{name}.wasm" for name in TEXTS}
    assert built() == everything
    assert built() == set()
    (tmp_path / "job1.txt").write_text("other")
    assert built() == {"job1.wasm"}
    (tmp_path / "out" / "job2.wasm").write_bytes(b"damaged")
    (tmp_path / "out" / "job3.wasm").unlink()
    assert built() == {"job2.wasm", "job3.wasm"}
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(tmp_path / "out")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert built() == set()
    path.write_text("\n".join([lines[0].replace("false", 'false, "layout": "few"'), *lines[1:]]))
    assert built() == everything
    (tmp_path / "keeper.wasm").write_bytes(wasm(KEEPER.replace("8192", "16384")))
    assert built() == everything
    (tmp_path / "out" / ".preinit-batch.jsonl").write_bytes(b"\xff{]\n" + b"[" * 100_000 + b"\n1\nnull\n{}\n")
    assert built() == everything
    assert outputs(tmp_path / "out").keys() == everything


def test_batches_that_share_a_folder_do_not_forget_each_other(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        paths.append(workshop(folder, {name: "text"}, output_dir="../out"))
    assert [statuses(path) for path in paths] == [{"one.wasm": "built"}, {"two.wasm": "built"}]
    assert [statuses(path) for path in paths] == [{"one.wasm": "current"}, {"two.wasm": "current"}]


def test_what_differs_each_time_is_never_up_to_date(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text"}, options={"clock": "host", "cache": False})
    for _ in range(2):
        assert statuses(path) == {"one.wasm": "built"}


def test_a_folder_that_a_guest_may_read_counts(tmp_path: Path) -> None:
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "lib" / "deep" / "file").write_text("1")
    path = workshop(tmp_path, {"one": "text"}, options={"dirs": {"lib": "/lib"}, "cache": False})
    assert [statuses(path)["one.wasm"] for _ in range(2)] == ["built", "current"]
    (tmp_path / "lib" / "deep" / "file").write_text("2")
    assert statuses(path) == {"one.wasm": "built"}


def test_a_process_that_dies_takes_no_job_with_it(tmp_path: Path) -> None:
    texts = {f"slow{number}": f"+ {number}" for number in range(8)}
    path = workshop(tmp_path, texts)
    with subprocess.Popen([*COMMAND, "batch", path, "--jobs", "2", "--report", tmp_path / "report.json"]) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        children = descendants(batch.pid)
        assert len(children) >= 2
        os.kill(max(children), signal.SIGKILL)
        assert batch.wait(PATIENCE) == 0
    assert outputs(tmp_path / "out") == expected(texts)
    jobs = json.loads((tmp_path / "report.json").read_text())["jobs"]
    assert max(job["attempts"] for job in jobs) == 2


class Deadly(Processes):
    """Processes of which a job can end one, as one that takes all memory does."""

    def submit(self, changes: dict[str, Any]) -> Any:
        if changes["stdin"] == b"deadly":
            return self._executor.submit(os._exit, 9)
        return super().submit(changes)


def test_a_job_that_ends_its_process_each_time_fails_alone(tmp_path: Path) -> None:
    path = workshop(tmp_path, {**TEXTS, "deadly": "deadly"})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[-1], *lines[3:-1]]))
    found = {job.name: job for job in run_batch(read_jobs(path), lambda order: Deadly(order, 2)).results}
    failed = found.pop("deadly.wasm")
    assert failed.error is not None
    assert (failed.status, failed.error["code"], failed.attempts) == ("failed", "worker-lost", 3)
    assert {job.status for job in found.values()} == {"built"}
    assert outputs(tmp_path / "out") == expected(TEXTS)


def test_an_interrupt_leaves_whole_outputs_and_no_process(tmp_path: Path) -> None:
    texts = {f"slow{number}": f"+ {number}" for number in range(40)}
    path = workshop(tmp_path, texts)
    command = [*COMMAND, "batch", str(path), "--jobs", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        children = descendants(batch.pid)
        os.killpg(batch.pid, signal.SIGINT)  # as a terminal does: the children get it, too
        _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 130, said
    assert b"Traceback" not in said
    wait_for(lambda: all(map(gone, children)))
    found = outputs(tmp_path / "out")
    assert 1 <= len(found) < 40
    assert found.items() <= expected({name: texts[name] for name in texts if f"{name}.wasm" in found}).items()
    assert not list((tmp_path / "out").glob(".preinit-*.partial"))


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    path = workshop(tmp_path, {f"slow{number}": f"+ {number}" for number in range(40)})
    with subprocess.Popen([*COMMAND, "batch", str(path), "--jobs", "2"], stderr=subprocess.DEVNULL) as batch:
        wait_for(lambda: len(outputs(tmp_path / "out")) >= 1)
        children = descendants(batch.pid)
        batch.kill()
    wait_for(lambda: all(map(gone, children)))


WRONG: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "no jobs": ({}, [], "there are no jobs"),
    "an unknown key of the file": ({"modul": "x"}, [{"output": "a.wasm"}], "Did you mean `module`?"),
    "an unknown option": ({"options": {"layuot": "few"}}, [{"output": "a.wasm"}], "Did you mean `layout`?"),
    "an unknown key of a job": ({}, [{"output": "a.wasm", "stdim": "x"}], "Did you mean `stdin`?"),
    "a key for all": ({}, [{"output": "a.wasm", "engine": "whole"}], "`engine` is the same for all jobs"),
    "no output": ({}, [{"output": "a.wasm"}, {"stdin": "job0.txt"}], "does not say what to write"),
    "a job that is no table": ({}, [{"output": "a.wasm"}, 3], "must be a table"),
    "an output outside": ({}, [{"output": "../a.wasm"}], "is outside of the folder"),
    "an output outside, hidden": ({}, [{"output": "x/../../a.wasm"}], "is outside of the folder"),
    "the folder as output": ({}, [{"output": "."}], "is a folder"),
    "a NUL": ({}, [{"output": "a\0.wasm"}], "does not say what to write"),
    "one output twice": ({}, [{"output": "a.wasm"}, {"output": "b/../a.wasm"}], "is also that of"),
    "an output in another one": ({}, [{"output": "a/b.wasm"}, {"output": "a"}], "the output of "),
    "the record as output": ({}, [{"output": ".preinit-batch.jsonl"}], "is no file of its own"),
    "an output that is no text": ({}, [{"output": "\ud800.wasm"}], "can't be a path"),
    "an output that is too long": ({}, [{"output": "y/" * 4000 + "a.wasm"}], "can't be a path"),
    "a file that is no text": ({}, [{"output": "a.wasm", "stdin": "\ud800"}], "can't be read"),
    "a file with a NUL": ({}, [{"output": "a.wasm", "stdin": "a\0"}], "can't be read"),
    "a module that is no text": ({"module": "\ud800"}, [{"output": "a.wasm"}], "can't be a path"),
    "a folder that is no text": ({"output_dir": "\ud800"}, [{"output": "a.wasm"}], "can't be a path"),
    "the module as output": ({"output_dir": "."}, [{"output": "keeper.wasm"}], "would overwrite"),
    "an input as output": ({"output_dir": "."}, [{"output": "job0.txt", "stdin": "job0.txt"}], "would overwrite"),
    "a missing file": ({}, [{"output": "a.wasm", "stdin": "missing.txt"}], "'missing.txt' can't be read"),
    "missing data": ({}, [{"output": "a.wasm", "init": ["take(@missing.txt)"]}], "'missing.txt' can't be read"),
    "a missing folder": ({}, [{"output": "a.wasm", "dirs": {"nowhere": "/"}}], "there is no folder 'nowhere'"),
    "another type": ({}, [{"output": "a.wasm", "args": 3}], "args must be a list"),
    "another type of init": ({}, [{"output": "a.wasm", "init": [3]}], "must be a list of strings"),
    "another type of stdin": ({}, [{"output": "a.wasm", "stdin": 3}], "must be a string: the path"),
    "another type of env": ({}, [{"output": "a.wasm", "env": {"A": 3}}], "must be a table of strings"),
    "a value that does not fit": ({"options": {"layout": "tiny"}}, [{"output": "a.wasm"}], "layout can't be 'tiny'"),
    "no module": ({"module": "missing.wasm"}, [{"output": "a.wasm"}], "missing.wasm' can't be read"),
    "no name of a module": ({"module": 3}, [{"output": "a.wasm"}], "does not say `module`"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_job_files_are_refused_before_anything_is_done(tmp_path: Path, name: str) -> None:
    head, jobs, message = WRONG[name]
    path = workshop(tmp_path, {"job0": "text"}, **head)
    first = path.read_text().splitlines()[0]
    path.write_text("\n".join([first, *map(json.dumps, jobs)]))
    before = outputs(tmp_path)
    said = fails("batch", path, code=2)
    assert message in said
    assert outputs(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("jobs.jsonl", b'{"module": "keeper.wasm"}\n{"output"\n', "line 2"),
        ("jobs.jsonl", b"[" * 200_000, "is not JSON"),
        ("jobs.jsonl", b"\xff\xfe", "is not JSON"),
        ("jobs.toml", b"module = \n", "is not TOML"),
        ("jobs.toml", b"\xff", "is not TOML"),
        ("jobs.toml", b'{"output": "a.wasm"}', "ends with .jsonl"),
        ("jobs.toml", b"job = 3", "list of tables"),
        ("jobs.toml", b'options = 3\nmodule = "keeper.wasm"\noutput_dir = "out"', "`options` must be a table"),
        ("jobs.toml", b'module = "keeper.wasm"', "does not say `output_dir`"),
    ],
)
def test_files_that_are_no_job_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert message in fails("batch", path, code=2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize(("key", "said"), [("output", "is no file of its own"), ("stdin", "is a pipe")])
def test_pipes_and_devices_are_no_files_of_a_job(tmp_path: Path, key: str, said: str) -> None:
    path = workshop(tmp_path, {"one": "text"})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    head, job = path.read_text().splitlines()
    path.write_text(f"{head}\n{json.dumps({**json.loads(job), key: str(pipe)})}")
    assert said in fails("batch", path, code=2)
    assert pipe.is_fifo()
    with pytest.raises(OSError, match="no regular file"):
        replace_file(pipe, b"")
    assert pipe.is_fifo()


def test_an_absolute_output_is_where_it_says(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text"})
    target = tmp_path / "else" / "where.wasm"
    path.write_text(path.read_text().replace('"one.wasm"', json.dumps(str(target))))
    run("batch", path, code=0)
    assert target.read_bytes() == expected({"one": "text"})["one.wasm"]
    assert statuses(path) == {str(target): "current"}


def test_a_link_does_not_lead_an_output_out_of_the_folder(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text"})
    (tmp_path / "out").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "secret")
    path.write_text(path.read_text().replace("one.wasm", "sub/one.wasm"))
    assert "is outside of the folder" in fails("batch", path, code=2)
    assert not list((tmp_path / "secret").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in"], "`-m MODULE` is missing"),
        (["in", "-m", "keeper.wasm"], "`-o DIR` is missing"),
        (["in", "-m", "keeper.wasm", "-o", "out"], "nothing says what the files of the folder are for"),
        (["in", "-m", "keeper.wasm", "-o", "out", "--stdin-from", "--pattern", "*.none"], "there are no jobs"),
        (["in", "-m", "keeper.wasm", "-o", "out", "--stdin-from", "--pattern", "/*"], "is no pattern"),
        (["in", "-m", "keeper.wasm", "-o", "out", "--stdin-from"], "is also that of"),
        (["jobs.jsonl", "--stdin-from"], "`--stdin-from` is for a folder"),
        (["jobs.jsonl", "--env", "A=B"], "`--env` is for a folder"),
        (["jobs.jsonl", "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"], "as many processes as it has"),
        (["jobs.jsonl", "--jobs", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    workshop(tmp_path, {"one": "text"})
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "a.text"):
        (tmp_path / "in" / name).write_text("text")
    monkeypatch.chdir(tmp_path)
    done = run("batch", *arguments, cwd=tmp_path, code=2)
    assert message in done.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_names_in_a_job_file_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "!"})
    path.write_text(path.read_text().replace("one.wasm", "\\u001b[31m.wasm"))
    done = run("batch", path, code=1)
    assert b"\x1b" not in done.stderr
    assert b"\\x1b[31m.wasm" in done.stderr


def test_a_library_can_be_given_any_executor(tmp_path: Path) -> None:
    """What does the jobs is told from what is to be done: one in this process does as well."""
    summary = run_batch(read_jobs(workshop(tmp_path, TEXTS)), Threads)
    assert summary.count("built") == 6
    assert outputs(tmp_path / "out") == expected(TEXTS)


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


def test_help_has_examples() -> None:
    said = run("batch", "--help", code=0).stdout.decode()
    assert "preinit batch jobs.toml" in said
    assert "[[job]]" in said
    assert sys.executable
