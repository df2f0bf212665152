"""The config file: what it may say, and what is said about one that does not fit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from preinit.errors import ConfigError, InputError, UsageError
from preinit.options import Host, Options
from preinit.options.calls import Call, Word
from preinit.targets import Target, find, load, options_of

FILES = 'input = "in.wasm"\noutput = "out.wasm"\n'


def target(tmp_path: Path, text: str, name: str = "a") -> Target:
    path = tmp_path / "preinit.toml"
    path.write_text(text)
    return load(path).targets[name]


def refused(tmp_path: Path, text: str | bytes, name: str = "preinit.toml") -> ConfigError:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value.where)
    assert caught.value.exit_code == 2
    return caught.value


# -- what a target becomes ---------------------------------------------------------------------------------------------


def test_every_key_becomes_the_option_that_it_is_named_for(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_bytes(b"typed")
    found = target(
        tmp_path,
        """
[targets.a]
input = "in.wasm"
output = "out.wasm"
report = "report.json"
init-funcs = ["boot(1)", "warm-up"]
rename-funcs = { _start = "resume" }
keep-init-func = "noop"
imports = "define"
import-globals = { "env.base" = 1024, "env.ratio" = "0x1p3" }
preloads = { env = "stub.wat" }
stubs = { "env.log" = "zero" }
layout = "few"
engine = "whole"
compiler = "cranelift"
cache = false
timeout = 2.5
verify = { calls = ["run"], run = true }
max-memory = "64MiB"
audit = true
scrub-stack = true
strict = true
env = { LANG = "C" }
inherit-env = ["TOKEN"]
args = ["prog", ""]
dirs = { lib = "/usr/lib" }
file-times = "host"
stdin = "input.txt"
clock = "epoch:7"
random = "seed:9"
wasi = false
quiet-guest = true
max-guest-output = "1k"
max-size = "1MiB"
max-gzip = 1000
max-segments = 3
max-memory-pages = 17
""",
    )
    assert options_of(found, {"TOKEN": "secret", "OTHER": "x"}) == Options(
        init_funcs=("boot(1)", "warm-up"),
        rename_funcs=(("_start", "resume"),),
        keep_init_func="noop",
        imports="define",
        import_globals=(("env.base", "1024"), ("env.ratio", "0x1p3")),
        preloads=(("env", str(tmp_path / "stub.wat")),),
        stubs=(("env.log", "zero"),),
        layout="few",
        engine="whole",
        compiler="cranelift",
        cache=False,
        timeout=2.5,
        max_memory=64 << 20,
        audit=True,
        scrub_stack=True,
        strict=True,
        _process_ends=True,
        measure_gzip=True,
        max_size=1 << 20,
        max_gzip=1000,
        max_segments=3,
        max_memory_pages=17,
        host=Host(
            env=(("TOKEN", "secret"), ("LANG", "C")),
            args=("prog", ""),
            dirs=((str(tmp_path / "lib"), "/usr/lib"),),
            file_times="host",
            stdin=b"typed",
            clock=7,
            random="seed:9",
            wasi=False,
            quiet_guest=True,
            max_guest_output=1024,
            public_env=("LANG",),
        ),
    )
    assert found.verify == {"calls": ["run"], "run": True}
    assert (found.input, found.output, found.report) == (
        tmp_path / "in.wasm",
        tmp_path / "out.wasm",
        tmp_path / "report.json",
    )


def test_a_byte_order_mark_and_a_carriage_return_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "preinit.toml").write_bytes(b"\xef\xbb\xbf" + f"[targets.a]\n{FILES}".replace("\n", "\r\n").encode())
    found = load(tmp_path / "preinit.toml").targets["a"]
    assert (found.line, found.settings["output"]) == (1, "out.wasm")


def test_what_is_not_said_is_as_for_a_build_without_options(tmp_path: Path) -> None:
    found = options_of(target(tmp_path, f"[targets.a]\n{FILES}"), {})
    assert found == Options(_process_ends=True)
    assert options_of(target(tmp_path, f"[targets.a]\ninit-funcs = []\n{FILES}"), {}).init_funcs == ()
    assert options_of(target(tmp_path, f'[targets.a]\ninit-funcs = ["none"]\n{FILES}'), {}).init_funcs == ("none",)
    for random in ("deny", "host"):
        world = f'random = "{random}"\nclock = "host"\n'
        assert options_of(target(tmp_path, f"[targets.a]\n{world}{FILES}"), {}).host == Host(
            random=random, clock="host"
        )
    writable = 'writable = true\ndirs = { x = "/x" }\n'
    assert options_of(target(tmp_path, f"[targets.a]\n{writable}{FILES}"), {}).host.writable


def test_the_clock_is_source_date_epoch_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    found = target(tmp_path, f"[targets.a]\n{FILES}")
    assert options_of(found, {"SOURCE_DATE_EPOCH": "99"}).host.clock == 99
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        options_of(found, {"SOURCE_DATE_EPOCH": "soon"})


def test_defaults_hold_where_a_target_says_nothing_and_tables_are_merged(tmp_path: Path) -> None:
    text = """
[defaults]
input = "engine.wasm"
layout = "size"
strict = true
stubs = { "env.a" = "zero", "env.b" = "zero" }
env = { A = "1", B = "1" }
args = ["x"]
inherit-env = ["NO_SUCH"]
max-size = "1k"
[targets.a]
output = "a.wasm"
strict = false
stubs = { "env.b" = "trap" }
env = { B = "2" }
args = []
inherit-env = false
max-segments = 4
[targets.b]
output = "b.wasm"
"""
    found = options_of(target(tmp_path, text), {})
    assert (found.layout, found.strict, found.max_size, found.max_segments) == ("size", False, 1024, 4)
    assert dict(found.stubs) == {"env.a": "zero", "env.b": "trap"}
    assert (dict(found.host.env), found.host.args) == ({"A": "1", "B": "2"}, ())
    assert target(tmp_path, text).input == tmp_path / "engine.wasm"
    assert target(tmp_path, text, "b").settings["strict"] is True


def test_an_inherited_environment_is_ours_and_what_is_missing_is_named(tmp_path: Path) -> None:
    everything = target(tmp_path, f"[targets.a]\ninherit-env = true\n{FILES}")
    assert options_of(everything, {"B": "2", "A": "1"}).host.env == (("A", "1"), ("B", "2"))
    one = target(tmp_path, f'[targets.a]\ninherit-env = ["NO_SUCH"]\n{FILES}')
    with pytest.raises(UsageError, match="'NO_SUCH' to pass on") as caught:
        options_of(one, {})
    assert "line 1, target 'a'" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('random = "host"\naudit = true', "an audit needs a clock"),
        ("writable = true", "no folder is given"),
        ('env = { "A=B" = "1" }', "can't be the name of an environment variable"),
        ('clock = "epoch:99999999999999999999"', "not a time that the clock can stand at"),
        ('random = "seed:99999999999999999999"', "is not what `random` takes"),
    ],
)
def test_what_contradicts_itself_is_told_with_the_target_s_line(tmp_path: Path, setting: str, words: str) -> None:
    found = target(tmp_path, f"\n\n[targets.a]\n{FILES}{setting}\n")
    with pytest.raises(UsageError, match=words) as caught:
        options_of(found, {})
    assert "line 3, target 'a'" in str(caught.value.where)


def test_an_initializer_is_given_the_bytes_of_a_file_beside_the_config_file(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_bytes(b"one")
    found = target(tmp_path, f'[targets.a]\n{FILES}init-funcs = ["boot(1)", "compile(@app.js)?", "invoke(*4, 2)"]')
    assert found.data == (tmp_path / "app.js",)
    calls = (Call("compile", b"one", returns="result"), Call("invoke", Word(4), 2))
    assert options_of(found, {}).init_funcs == ("boot(1)", *calls)
    (tmp_path / "app.js").unlink()
    with pytest.raises(InputError, match=r"app\.js.*can't be read") as caught:
        options_of(found, {})
    assert "target 'a'" in str(caught.value.where)


@pytest.mark.skipif(os.name != "posix", reason="pipes have no names here")
@pytest.mark.parametrize("setting", ["", 'preloads = { lib = "in.wasm" }\n'])
def test_a_pipe_is_no_input_since_nobody_could_tell_whether_it_changed(tmp_path: Path, setting: str) -> None:
    os.mkfifo(tmp_path / "in.wasm")
    (tmp_path / "file.wasm").write_bytes(b"")
    files = FILES.replace("in.wasm", "file.wasm") if setting else FILES
    with pytest.raises(InputError, match=r"in\.wasm' is not a regular file"):
        options_of(target(tmp_path, f"[targets.a]\n{files}{setting}"), {})


def test_a_missing_standard_input_is_named(tmp_path: Path) -> None:
    found = target(tmp_path, f'[targets.a]\nstdin = "no-such"\n{FILES}')
    with pytest.raises(InputError, match="no-such"):
        options_of(found, {})


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("target = 1", 1, "target", "there is no key 'target' here.*Write `targets`"),
        ("", None, None, "there are no targets"),
        ("targets = 3", 1, "targets", "there are no targets"),
        ("\n[targets]", 2, "targets", "there are no targets"),
        ("[targets]\na = 3", 2, "targets.a", "`a` must be a table, not 3"),
        (f'[targets."a b"]\n{FILES}', 1, "targets.a b", "can't be the name of a target"),
        (f'[targets."a.wasm"]\n{FILES}', 1, "targets.a.wasm", "can't be the name of a target"),
        (f'[targets."-a"]\n{FILES}', 1, "targets.-a", "can't be the name of a target"),
        ('[targets.a]\noutput = "x"', 1, "targets.a", "the target 'a' has no `input`"),
        ('[targets.a]\ninput = "x"', 1, "targets.a", "the target 'a' has no `output`"),
        (f"[targets.a]\n{FILES}outptu = 1", 4, "targets.a.outptu", "'outptu' in `a`.*Write `output`"),
        (f"[targets.a]\n{FILES}keep_init_func = true", 4, "targets.a.keep_init_func", "Write `keep-init-func`"),
        (f"[targets.a]\n{FILES}init = ['f']", 4, "targets.a.init", "Write `init-funcs`"),
        (f"[targets.a]\n{FILES}zzzzzz = 1", 4, "targets.a.zzzzzz", "One of input, output"),
        (f'[targets.a]\n{FILES}layout = "pretty"', 4, "targets.a.layout", '"balanced", "size", .* not \'pretty\''),
        (f'[targets.a]\n{FILES}strict = "yes"', 4, "targets.a.strict", "`strict` must be true or false, not 'yes'"),
        (f"[targets.a]\n{FILES}keep-init-func = 1", 4, "targets.a.keep-init-func", 'false, true or "noop", not 1'),
        (f"[targets.a]\n{FILES}timeout = 0", 4, "targets.a.timeout", "a number of seconds, more than 0, at most 1,000,000,000, not 0"),
        (f"[targets.a]\n{FILES}timeout = 1e12", 4, "targets.a.timeout", "at most 1,000,000,000, not 1000000000000.0"),
        (f"[targets.a]\n{FILES}timeout = nan", 4, "targets.a.timeout", "more than 0, at most 1,000,000,000, not nan"),
        (f"[targets.a]\n{FILES}timeout = true", 4, "targets.a.timeout", "more than 0, at most 1,000,000,000, not true"),
        (f"[targets.a]\n{FILES}timeout = 1{'0' * 4000}", 4, "targets.a.timeout", "not a number that long"),
        (f"[targets.a]\n{FILES}timeout = 2020-01-01", 4, "targets.a.timeout", "not a date or time"),
        (f'[targets.a]\n{FILES}max-memory = "big"', 4, "targets.a.max-memory", "64MiB.*not 'big'"),
        (f"[targets.a]\n{FILES}max-memory = -1", 4, "targets.a.max-memory", "not -1"),
        (f"[targets.a]\n{FILES}init-funcs = 'f'", 4, "targets.a.init-funcs", "must be a list of strings, not 'f'"),
        (f"[targets.a]\n{FILES}init-funcs = [\n'f',\n3]", 6, "targets.a.init-funcs.1", "item 2 of `init-funcs` must be a string"),
        (f"[targets.a]\n{FILES}init-funcs = [{{}}]", 4, "targets.a.init-funcs.0", "item 1 of `init-funcs` .* not a table"),
        (f"[targets.a]\n{FILES}rename-funcs = 'a=b'", 4, "targets.a.rename-funcs", "a table of strings, not 'a=b'"),
        (f"[targets.a]\n{FILES}[targets.a.rename-funcs]\nx = 1", 5, "targets.a.rename-funcs.x", "`x` must be a string"),
        (f"[targets.a]\n{FILES}stubs = {{ '' = 'x' }}", 4, "targets.a.stubs", "a name in `stubs` is empty"),
        (f"[targets.a]\n{FILES}preloads = []", 4, "targets.a.preloads", "a table of strings, not a list"),
        (f"[targets.a]\n{FILES}verify = 'all'", 4, "targets.a.verify", "a table, not 'all'"),
        (f"[targets.a]\n{FILES}[targets.a.verify]\ncall = 1", 5, "targets.a.verify.call", "Write `calls`"),
        (f"[targets.a]\n{FILES}clok = 1", 4, "targets.a.clok", "Write `clock`"),
        (f"[targets.a]\n{FILES}clock = 0", 4, "targets.a.clock", '"epoch:SECONDS" or "host"'),
        (f"[targets.a]\n{FILES}random = 'x'", 4, "targets.a.random", '"seed:N", "deny" or "host", not'),
        (f"[targets.a]\n{FILES}env = {{ A = 1 }}", 4, "targets.a.env.A", "`A` must be a string, not 1"),
        (f"[targets.a]\n{FILES}inherit-env = 'A'", 4, "targets.a.inherit-env", "or a list of strings"),
        (f"[targets.a]\n{FILES}dirs = ['lib']", 4, "targets.a.dirs", "a table of strings, not a list"),
        (f"[targets.a]\n{FILES}max-segments = '3'", 4, "targets.a.max-segments", "a whole number"),
        ("[defaults]\noutput = 'x'\n[targets.a]", 2, "defaults.output", "there is no key 'output' in `defaults`"),
        ("defaults = 1", 1, "defaults", "`defaults` must be a table, not 1"),
        ('[targets.a]\ninput = "x"\noutput = "/"', 3, "targets.a.output", "must be the name of a file, not '/'"),
        ('[targets.a]\ninput = "x"\noutput = "a/.."', 3, "targets.a.output", "must be the name of a file"),
        (f'[targets.a]\n{FILES}report = "a/"', 4, "targets.a.report", "must be the name of a file"),
        ('[targets.a]\ninput = ""\noutput = "x"', 2, "targets.a.input", "a string that is not empty, not ''"),
        ('[targets.a]\ninput = "a\\u0000b"\noutput = "x"', 2, "targets.a.input", "a string that is not empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_and_key(
    tmp_path: Path, text: str, line: int | None, key: str | None, words: str
) -> None:
    problem = refused(tmp_path, text)
    assert re.search(words, f"{problem.what} {problem.hint}"), f"{problem.what} {problem.hint}"
    place = f", line {line}" if line else ""
    assert str(problem.where).endswith(f"preinit.toml{place}" + (f", key `{key}`" if key else ""))


@pytest.mark.parametrize(
    ("text", "key", "place", "words"),
    [
        ("init-funcs = ['f(@x, y!)']", "init-funcs.0", "character 7\n    f(@x, y!)\n          ^", "an argument must stand"),
        ("init-funcs = ['g', 'f(*x)']", "init-funcs.1", "character 4\n    f(*x)\n       ^", "a comma or the closing"),
        ("rename-funcs = {a = 'f(\"x'}", "rename-funcs.a", 'character 3\n    f("x\n      ^', "has no end"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_call_is_told_with_its_character_too(
    tmp_path: Path, text: str, key: str, place: str, words: str
) -> None:
    problem = refused(tmp_path, f"[targets.a]\n{FILES}{text}")
    assert words in problem.what
    assert str(problem.where).endswith(f"line 4, key `targets.a.{key}`, {place}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[targets.a\n", "line 1, column"),
        ("a = 1\na = 2\n", "line 2"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "9" * 5000, "not TOML"),
        (b"a = 1\n# \xff", "line 2"),
        (b"\0", "not TOML"),
        ("x" * (4 << 20) + "x", "more than 4,194,304 bytes"),
    ],
    ids=["unfinished", "twice", "deep", "long number", "not UTF-8", "binary", "huge"],
)
def test_what_is_no_toml_is_told_with_its_place(tmp_path: Path, text: str | bytes, words: str) -> None:
    problem = refused(tmp_path, text)
    assert words in f"{problem.what} {problem.where}"


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no-such.toml", tmp_path):
        with pytest.raises(ConfigError, match=r"can't be read|is a folder"):
            load(path)


PAIR = "[targets.a]\ninput = '{a}'\noutput = '{x}'\n[targets.b]\ninput = '{b}'\noutput = '{y}'\n"


@pytest.mark.parametrize(
    ("names", "more", "words"),
    [
        ({"x": "out", "y": "./sub/../out"}, "", "the output of 'b', .* is written by the target 'a', too"),
        ({"x": "in"}, "", "the output of 'a' would overwrite the input"),
        ({"x": "preinit.toml"}, "", "would overwrite this file"),
        ({}, "report = 'y'\n", "the report of 'b', .* is written by the target itself, too"),
        ({}, "report = 'in'\n", "the report of 'b' would overwrite the input"),
        ({}, "report = 'x'\n", "is written by the target 'a', too"),
        ({}, "preloads.env = 'y'\n", "would overwrite the input"),
        ({}, "stdin = 'y'\n", "would overwrite the input"),
        ({}, "init-funcs = ['f(@y)']\n", "would overwrite the input"),
        ({"a": "y"}, "init-funcs = ['f(@x)']\n", "needs the next one's output"),
        ({"a": "y", "b": "x"}, "", "each of these targets needs the next one's output: '.', '.', '.'"),
        ({"a": "y"}, "dirs = { '.' = '/' }\n", "needs the next one's output"),
    ],
)
def test_targets_may_not_write_over_each_other_s_files_nor_wait_in_a_circle(
    tmp_path: Path, names: dict[str, str], more: str, words: str
) -> None:
    problem = refused(tmp_path, PAIR.format(**{"a": "in", "b": "in", "x": "x", "y": "y", **names}) + more)
    assert re.search(words, problem.what), problem.what
    assert "line " in str(problem.where)


def test_a_name_can_not_steer_the_terminal(tmp_path: Path) -> None:
    problem = refused(tmp_path, '[targets.a]\n"\\u001b[31m" = 1')
    assert "\x1b" not in str(problem)


# -- where it is -------------------------------------------------------------------------------------------------------


def test_the_nearest_file_that_has_targets_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find(inner) is None or not find(inner).is_relative_to(tmp_path)  # type: ignore[union-attr]
    (tmp_path / "pyproject.toml").write_text(f"[tool.preinit.targets.a]\n{FILES}")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other] # not preinit\n")
    assert find(inner) == tmp_path / "pyproject.toml"
    (tmp_path / "a" / "preinit.toml").write_text(f"[targets.b]\n{FILES}")
    assert find(inner) == tmp_path / "a" / "preinit.toml"
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.preinit]\n")
    with pytest.raises(ConfigError, match=r"in preinit\.toml and in pyproject\.toml"):
        find(inner)


def test_pyproject_has_a_table_of_its_own_and_lines_count_from_the_file_s_start(tmp_path: Path) -> None:
    before = '[project]\nname = "x"\n\n[[tool.mypy.overrides]]\nmodule = "y"\n[[tool.mypy.overrides]]\nmodule = "z"\n'
    problem = refused(tmp_path, f"{before}[tool.preinit.targets.a]\n{FILES}bad = 1\n", "pyproject.toml")
    assert str(problem.where).endswith("pyproject.toml, line 11, key `targets.a.bad`")
    problem = refused(tmp_path, before, "pyproject.toml")
    assert "there is no table [tool.preinit]" in problem.what
