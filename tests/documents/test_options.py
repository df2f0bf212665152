"""The page of options: its tables are those of the program, and one example means the same in all four places."""

from __future__ import annotations

import ast
import os
import shlex
from pathlib import Path

import click
import pytest

import preinit
from preinit import Host, Options
from preinit.batch.jobs import read_jobs
from preinit.cli.given import settings_of
from preinit.cli.group import group
from preinit.options import tables
from preinit.options.declared import declared
from preinit.options.fields import changed
from preinit.options.kinds import Files
from preinit.targets.load import load
from scripts import option_tables
from tests.support.pages import Workshop, blocks

PAGE = option_tables.PAGE
#: The four ways, as their outputs are called.
EXAMPLES = ("target", "job", "command", "python")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the example can be built."""
    (tmp_path / "fixtures").symlink_to(option_tables.ROOT / "fixtures")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/note").write_text("remember this\n")
    (tmp_path / "words.txt").write_text("one two three\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(language: str, holds: str) -> str:
    """The block of the page that holds a text."""
    (found,) = (block.text for block in blocks(PAGE) if block.language == language and holds in block.text)
    return found


def test_the_tables_and_examples_are_those_of_the_declarations() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert option_tables.page(text) == text, "run scripts/option_tables"


def test_every_option_has_a_row() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for option in (*declared(Options), *declared(Host)):
        named = f"| `{option.name}` |" in text or f"| `{option.name}=False` |" in text
        assert named or option.name.startswith("_"), option.name


def test_the_example_uses_options_of_every_kind() -> None:
    used = [option.kind for option in tables.all_options().values() if option.key in option_tables.EXAMPLE]
    assert any(kind.repeats for kind in used)
    assert any(kind.choices for kind in used)
    assert {type(value) for value in option_tables.EXAMPLE.values()} >= {dict, list, str, int}


def test_the_four_examples_say_the_same_options(here: Path) -> None:
    files = Files(lambda name: (here / name).read_bytes(), str, str, os.environ)
    wanted = tables.options_of(option_tables.EXAMPLE, files)
    assert wanted.host.stdin == b"one two three\n"
    assert [by(here, files) for by in (of_target, of_job, of_command, of_call)] == [wanted] * 4


def of_target(here: Path, files: Files) -> Options:
    (here / "preinit.toml").write_text(shown("toml", "[targets.example]"))
    (target,) = load(here / "preinit.toml").targets.values()
    return tables.options_of({key: target.settings[key] for key in target.settings.keys() - {"input", "output"}}, files)


def of_job(here: Path, files: Files) -> Options:
    (here / "jobs.toml").write_text(shown("toml", "[[job]]"))
    batch = read_jobs(here / "jobs.toml")
    (job,) = batch.jobs
    return changed(batch.options, tables.fields_of(job.settings, files))


def of_command(here: Path, files: Files) -> Options:
    name, *arguments = shlex.split(shown("sh", "-o from-command.wasm").replace("\\\n", " "))[1:]
    with click.Context(group) as context:
        command = group.get_command(context, name)
    assert command
    return tables.options_of(settings_of(command.make_context(name, arguments).params), files)


def of_call(here: Path, files: Files) -> Options:
    tree = ast.parse(shown("python", "from-python.wasm"))
    (call,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "preinit.build"
    )
    values = {keyword.arg: eval(ast.unparse(keyword.value), {"Path": Path}) for keyword in call.keywords}
    # A file and a command line say so by themselves: whoever writes a value there knows that it is no secret.
    return changed(Options(), {**values, "public_env": list(values["env"])})


def test_the_four_examples_give_the_same_bytes(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    workshop = Workshop(tmp_path_factory.mktemp("page"), here / "cache")
    for block in blocks(PAGE):
        workshop.run(block)
    outputs = {name: (workshop.folder / f"from-{name}.wasm").read_bytes() for name in EXAMPLES}
    assert len(set(outputs.values())) == 1
    plain = preinit.build(option_tables.INPUT, cache=False, stdout=len).wasm
    assert plain != outputs["command"], "the options change nothing"
