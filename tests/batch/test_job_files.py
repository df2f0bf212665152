"""What a job file may say, and what is said about one that does not fit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from preinit import Call, Host, build
from preinit.files.replace import replace_file
from tests.support.batches import KEEPER, expected, outputs, report, statuses, workshop
from tests.support.command import fails, run
from tests.support.modules import wasm


def test_a_job_file_can_be_toml(tmp_path: Path) -> None:
    (tmp_path / "keeper.wasm").write_bytes(wasm(KEEPER))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("a")
    path = tmp_path / "jobs.toml"
    path.write_text("""
input = "keeper.wasm"
output-dir = "out"
[defaults]
layout = "few"
cache = false
env = { LANG = "C" }
[[job]]
output = "one.wasm"
stdin = "data/a.txt"
[[job]]
output = "deep/er/two.wasm"
init-funcs = ["wizer-initialize", "take(@data/a.txt)"]
args = ["two"]
dirs = { data = "/data" }
""")
    assert {job["status"] for job in report(tmp_path, path).values()} == {"built"}
    host = Host(stdin=b"a", env={"LANG": "C"})
    assert (tmp_path / "out" / "one.wasm").read_bytes() == build(wasm(KEEPER), host=host, layout="few").wasm
    assert (tmp_path / "out" / "deep" / "er" / "two.wasm").exists()


WRONG: dict[str, tuple[dict[str, Any], list[Any], str]] = {
    "no jobs": ({}, [], "there are no jobs"),
    "an unknown key of the file": ({"inputt": "x"}, [{"output": "a.wasm"}], "Write `input`."),
    "an unknown option": ({"defaults": {"layuot": "few"}}, [{"output": "a.wasm"}], "Write `layout`."),
    "an unknown key of a job": ({}, [{"output": "a.wasm", "stdim": "x"}], "Write `stdin`."),
    "a key of Python": ({}, [{"output": "a.wasm", "max_memory": "1MiB"}], "Write `max-memory`."),
    "a key for all": ({}, [{"output": "a.wasm", "engine": "whole"}], "`engine` is the same for all jobs"),
    "a time limit of a job alone": ({}, [{"output": "a.wasm", "timeout": 3}], "Write a `timeout` under [defaults]"),
    "no output": ({}, [{"output": "a.wasm"}, {"stdin": "job0.txt"}], "does not say what to write"),
    "a job that is not a table": ({}, [{"output": "a.wasm"}, 3], "must be a table"),
    "an output outside": ({}, [{"output": "../a.wasm"}], "is outside of the folder"),
    "a report outside": ({}, [{"output": "a.wasm", "report": "../a.json"}], "is outside of the folder"),
    "an output outside, hidden": ({}, [{"output": "x/../../a.wasm"}], "is outside of the folder"),
    "the folder as output": ({}, [{"output": "."}], "must be the name of a file"),
    "the folder as output, hidden": ({}, [{"output": "x/.."}], "must be the name of a file"),
    "a NUL": ({}, [{"output": "a\0.wasm"}], "must be the name of a file"),
    "one output twice": ({}, [{"output": "a.wasm"}, {"output": "b/../a.wasm"}], "is also that of"),
    "an output that is its report": ({}, [{"output": "a.wasm", "report": "a.wasm"}], "is also that of"),
    "an output in another one": ({}, [{"output": "a/b.wasm"}, {"output": "a"}], "the output of "),
    "the record as output": ({}, [{"output": ".preinit-batch.jsonl"}], "is not a file of its own"),
    "an output that is no text": ({}, [{"output": "\ud800.wasm"}], "can't be a path"),
    "an output that is too long": ({}, [{"output": "y/" * 4000 + "a.wasm"}], "can't be a path"),
    "a file that is no text": ({}, [{"output": "a.wasm", "stdin": "\ud800"}], "can't be read"),
    "a file with a NUL": ({}, [{"output": "a.wasm", "stdin": "a\0"}], "must be a string that is not empty"),
    "a module that is no text": ({"input": "\ud800"}, [{"output": "a.wasm"}], "can't be a path"),
    "a folder that is no text": ({"output-dir": "\ud800"}, [{"output": "a.wasm"}], "can't be a path"),
    "the module as output": ({"output-dir": "."}, [{"output": "keeper.wasm"}], "would overwrite"),
    "an input as output": ({"output-dir": "."}, [{"output": "job0.txt", "stdin": "job0.txt"}], "would overwrite"),
    "a missing file": ({}, [{"output": "a.wasm", "stdin": "missing.txt"}], "'missing.txt' can't be read"),
    "missing data": ({}, [{"output": "a.wasm", "init-funcs": ["take(@missing.txt)"]}], "'missing.txt' can't be read"),
    "a missing folder": ({}, [{"output": "a.wasm", "dirs": {"nowhere": "/"}}], "there is no folder 'nowhere'"),
    "another type": ({}, [{"output": "a.wasm", "args": 3}], "`args` must be a list of strings, not 3"),
    "another type of init-funcs": ({}, [{"output": "a.wasm", "init-funcs": [3]}], "must be a string that is not empty"),
    "another type of stdin": ({}, [{"output": "a.wasm", "stdin": 3}], "`stdin` must be a string that is not empty"),
    "another type of env": ({}, [{"output": "a.wasm", "env": {"A": 3}}], "`A` must be a string, not 3"),
    "another type of verify": ({}, [{"output": "a.wasm", "verify": 3}], "`verify` must be true or false, or a table, not 3"),
    "a value that does not fit": ({"defaults": {"layout": "tiny"}}, [{"output": "a.wasm"}], "`layout` must be "),
    "no module": ({"input": "missing.wasm"}, [{"output": "a.wasm"}], "missing.wasm' can't be read"),
    "no name of a module": ({"input": 3}, [{"output": "a.wasm"}], "`input` must be a string"),
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
        ("jobs.jsonl", b'{"input": "keeper.wasm"}\n{"output"\n', "line 2"),
        ("jobs.jsonl", b"[" * 200_000, "is not JSON"),
        ("jobs.jsonl", b"\xff\xfe", "has to be UTF-8"),
        ("jobs.toml", b"module = \n", "is not TOML"),
        ("jobs.toml", b"\xff", "has to be UTF-8"),
        ("jobs.toml", b'{"output": "a.wasm"}', "ends with .jsonl"),
        ("jobs.toml", b"job = 3", "list of tables"),
        ("jobs.toml", b'input = "keeper.wasm"\ndefaults = 3\n', "line 2, key `defaults`"),
        (
            "jobs.toml",
            b'input = "m"\noutput-dir = "."\n[[job]]\noutput = "a"\n[[job]]\noutput = "b"\nargs = 3',
            "line 7, job 2, key `args`",
        ),
        ("jobs.toml", b'input = "keeper.wasm"', "does not say `output-dir`"),
    ],
)
def test_files_that_are_no_job_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert message in fails("batch", path, code=2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize(("key", "said"), [("output", "is not a file of its own"), ("stdin", "is a pipe")])
def test_pipes_and_devices_are_no_files_of_a_job(tmp_path: Path, key: str, said: str) -> None:
    path = workshop(tmp_path, {"one": "text"})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    head, job = path.read_text().splitlines()
    path.write_text(f"{head}\n{json.dumps({**json.loads(job), key: str(pipe)})}")
    assert said in fails("batch", path, code=2)
    assert pipe.is_fifo()
    with pytest.raises(OSError, match="not a regular file"):
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
        (["in"], "`-i IN` is missing"),
        (["in", "-i", "keeper.wasm"], "`-o DIR` is missing"),
        (["in", "-i", "keeper.wasm", "-o", "out"], "nothing says what the files of the folder are for"),
        (["in", "-i", "keeper.wasm", "-o", "out", "--stdin-from", "--pattern", "*.none"], "there are no jobs"),
        (["in", "-i", "keeper.wasm", "-o", "out", "--stdin-from", "--pattern", "/*"], "is not a pattern"),
        (["in", "-i", "keeper.wasm", "-o", "out", "--stdin-from"], "is also that of"),
        (["jobs.jsonl", "--stdin-from"], "`--stdin-from` is for a folder"),
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


def test_options_of_the_command_line_hold_for_jobs_that_say_nothing_else(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text", "two": "text"})
    head, one, two = path.read_text().splitlines()
    path.write_text("\n".join([head, one, json.dumps({**json.loads(two), "layout": "few", "env": {"A": "2"}})]))
    out = tmp_path / "out"
    run("batch", path, "--layout", "size", "-e", "A=1", "-e", "B=3", code=0)
    host = Host(stdin=b"text", env={"A": "1", "B": "3"})
    assert (out / "one.wasm").read_bytes() == build(wasm(KEEPER), layout="size", host=host).wasm
    host = Host(stdin=b"text", env={"A": "2", "B": "3"})
    assert (out / "two.wasm").read_bytes() == build(wasm(KEEPER), layout="few", host=host).wasm


def test_files_that_the_command_line_names_are_relative_to_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    path = workshop(tmp_path / "jobs", {"one": "text"})
    (tmp_path / "data.txt").write_text("data")
    (tmp_path / "lib").mkdir()
    arguments = ("-f", "wizer-initialize", "-f", "take(@data.txt)", "--dir", "lib::/lib")
    run("batch", path, *arguments, cwd=tmp_path, code=0)
    found = (tmp_path / "jobs" / "out" / "one.wasm").read_bytes()
    assert (
        found
        == build(
            wasm(KEEPER), init_funcs=["wizer-initialize", Call("take", b"data")], host=Host(stdin=b"text"), cache=False
        ).wasm
    )


def test_jobs_are_verified_and_have_reports_and_a_page(tmp_path: Path) -> None:
    path = workshop(tmp_path, {"one": "text", "two": "text"})
    head, one, two = path.read_text().splitlines()
    path.write_text("\n".join([head, json.dumps({**json.loads(one), "report": "one.json", "verify": True}), two]))
    page = tmp_path / "page.html"
    said = run("batch", path, "--html", page, "-v", code=0).stderr.decode()
    assert "built one.wasm, " in said
    facts = json.loads((tmp_path / "out" / "one.json").read_text())
    assert facts["output"]["size"] == (tmp_path / "out" / "one.wasm").stat().st_size
    assert "one.wasm" in page.read_text()
    assert statuses(path) == {"one.wasm": "current", "two.wasm": "current"}
    (tmp_path / "out" / "one.json").unlink()
    assert statuses(path) == {"one.wasm": "built", "two.wasm": "current"}
    run("batch", path, "--verify", code=0)


def test_a_job_that_may_write_files_is_not_run_twice_to_verify_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    path = workshop(tmp_path, {"one": "text"}, defaults={"cache": False, "writable": True, "dirs": {"lib": "/"}})
    assert "may write files each time" in fails("batch", path, "--verify")
    assert not outputs(tmp_path / "out")
