"""`preinit-wizer`: the command line of wizer 11 and of `wasmtime wizer`, for tools that call one of them.

https://github.com/bytecodealliance/wasmtime/tree/main/crates/wizer
"""

from __future__ import annotations

import gc
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import (
    GuestExit,
    InitializerFailed,
    PreinitError,
    UsageError,
    WasiRefused,
    as_error,
    locate_input,
    printable,
    quoted,
)
from ..files.outputs import STANDARD_OUTPUT, check_writable, write_output
from ..passes.observer import Event, Observer
from . import manual
from .arguments import mapped_folder, read
from .completed import File, Folder
from .failure import explained, leave, say, say_error, say_warning
from .smaller import build_smaller
from .wasmtime_keys import GROUPS, Meaning, of_file, pairs

if TYPE_CHECKING:
    from ..binary.module import Module
    from ..options import Options

Function = TypeVar("Function", bound=Callable[..., Any])

PROGRAM = "preinit-wizer"

#: More options, those of `preinit build`: who calls a tool that calls us can't give it any.
VARIABLE = "PREINIT_WIZER_OPTIONS"

#: What is run without `--init-func`: wizer 11 has the first of these, wizer 7 the second.
DEFAULTS = ("wizer-initialize", "wizer.initialize")

_REACTOR_START = "_initialize"

#: As wizer calls them, behind `--wasm-`.
_SWITCHES = ("multi-memory", "multi-value", "bulk-memory", "simd", "relaxed-simd", "reference-types")

#: A value of these comes only after `=`, as in wizer; of the others that can be left out, after a space, too.
_ONLY_AFTER = ("--keep-init-func", "--relaxed-simd-deterministic")


class _Command(manual.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        given = [f"{arg}=true" if arg in _ONLY_AFTER else arg for arg in args[:end]]
        return super().parse_args(ctx, given + args[end:])


class _Bool(click.ParamType[bool]):
    name = "bool"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if value not in ("true", "false"):
            self.fail(f"{quoted(str(value))} is neither true nor false", param, ctx)
        return bool(value == "true")


def _once(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> Any:
    """The value of an option that may be given once only."""
    if len(value) > 1:
        raise click.BadParameter("it is given several times", ctx, param)
    return value[0] if value else None


def _boolean(*names: str, text: str, needs_sign: bool = False) -> Callable[[Function], Function]:
    more: dict[str, Any] = {} if needs_sign else {"is_flag": False, "flag_value": "true"}
    metavar = "[=BOOL]" if needs_sign else "[BOOL]"
    return click.option(*names, type=_Bool(), multiple=True, callback=_once, metavar=metavar, help=text, **more)


def _single(*names: str, **more: Any) -> Callable[[Function], Function]:
    return click.option(*names, multiple=True, callback=_once, **more)


#: What the groups of keys can say.
_KEYS = {
    "-O": "Accepted and ignored, as all that is only about how code is compiled and run.",
    "-C": "compiler=winch or cranelift, cache=n.",
    "-D": "Accepted and ignored.",
    "-W": "timeout=TIME, max-memory-size=N, unknown-imports-default, PROPOSAL=n.",
    "-S": "cli, inherit-env, inherit-stdin=n, inherit-stdout=n, inherit-stderr=n.",
}


def _keys(function: Function) -> Function:
    for letter, group in reversed(GROUPS.items()):
        option = click.option(letter, f"--{group}", group, multiple=True, metavar="KEY[=VAL],..", help=_KEYS[letter])
        function = option(function)
    return function


def _switches(function: Function) -> Function:
    for name in reversed(_SWITCHES):
        text = f"With false: the module may not use {name.replace('-', ' ')}."
        function = _boolean(f"--wasm-{name}", text=text)(function)
    return function


@click.command(
    name=PROGRAM,
    cls=_Command,
    shared=False,
    examples=(
        f"{PROGRAM} engine.wasm -o ready.wasm",
        f"{PROGRAM} --allow-wasi --dir=. -r _start=wizer.resume -o=ready.wasm engine.wasm < script.js",
        f"{PROGRAM} -S cli --dir lib::/usr/lib --keep-init-func=true engine.wasm > ready.wasm",
        f"{VARIABLE}='--clock host --writable' {PROGRAM} --allow-wasi engine.wasm -o ready.wasm",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("source", metavar="[INPUT]", type=File(), required=False)
@manual.under(
    "As wizer has them",
    _single("-o", "--output", type=File(), metavar="OUTPUT", help="Where to write.  [default: standard output]"),
    _single("-f", "--init-func", metavar="NAME", help=f"What is run.  [default: {' or '.join(DEFAULTS)}]"),
    click.option("-r", "--rename-func", multiple=True, metavar="DST=SRC", help="Export SRC as DST."),
    _boolean("--keep-init-func", text="Keep what was run.", needs_sign=True),
    click.option("--allow-wasi", is_flag=True, help="Functions of WASI may be called."),
    click.option("--preload", multiple=True, metavar="NAME=FILE", help="Module that provides the imports from NAME."),
    _boolean("--inherit-stdio", text="With false: no standard input for the guest, and what it prints is dropped."),
    _boolean("--inherit-env", text="All of your environment variables."),
    click.option("--dir", "dirs", multiple=True, type=Folder(), metavar="HOST[::GUEST]", help="Folder of the guest."),
    click.option("--mapdir", multiple=True, metavar="GUEST::HOST", help="The same, the guest's name first."),
    _boolean("--relaxed-simd-deterministic", text="It always is.", needs_sign=True),
    _switches,
)
@manual.under(
    "As wasmtime wizer has them",
    _keys,
    click.option(
        "--env", multiple=True, metavar="K[=V]", help="Environment variable; without =V, the value in your environment."
    ),
    _single("--config", type=File(), metavar="FILE", help="TOML file with tables of such options."),
    _single("--target", metavar="TRIPLE", help="Accepted and ignored."),
    click.option("--allow-precompiled", is_flag=True, help="Accepted and ignored."),
    click.option("-R", "--record", multiple=True, hidden=True),
    click.option("--profile", hidden=True),
    click.option("-g", "--gdbstub", hidden=True),
)
def command(source: str | None, output: str | None, **given: Any) -> None:
    """Run the initializer of the module INPUT and write a module that starts where it ended.

    The command line is that of wizer 11 and of `wasmtime wizer`. INPUT is a file in the binary or the text format;
    without it, standard input is read. The guest may call WASI with --allow-wasi or -S cli only; it can read the
    folders that it is given, not write them, and sees a clock and random numbers that are the same in every build.
    Options of `preinit build` in $PREINIT_WIZER_OPTIONS say otherwise.
    """
    gc.disable()  # one build and the process ends
    source, output = source or STANDARD_OUTPUT, output or STANDARD_OUTPUT
    observer = Observer()
    with _told(observer, 2):
        meaning = _meaning(given)
    with _told(observer):
        data = read(source)
        check_writable(output)
        _check_proposals(data, meaning.disabled)
        quiet, options = _options(data, source, output, meaning, given)
        try:
            once = any(text.partition("=")[0] == "--clock-pace" for text in _more())
            result = build_smaller(data, options, observer, once)
        except PreinitError as problem:
            locate_input(problem, "standard input" if source == STANDARD_OUTPUT else source)
            raise
        write_output(output, result.written.pieces)
        warnings = () if quiet else result.report.warnings
        for warning in warnings:
            say_warning(warning.code, warning.message, warning.hint)
        if warnings:
            say(f"options of `preinit build` can be given in ${VARIABLE}")
    leave(0)


def _meaning(given: dict[str, Any]) -> Meaning:
    """What the options say, those of `wasmtime wizer` after a config file. Raises `UsageError`."""
    for name in ("record", "profile", "gdbstub"):
        if given[name]:
            raise UsageError(f"`--{name}` is an option of `wasmtime wizer` that nothing here corresponds to")
    for text in given["rename_func"]:
        if "=" not in text:
            raise UsageError(f"{quoted(text)} is not of the form -r DST=SRC", hint="For example: -r _start=resume")
    meaning = Meaning()
    for group, key, value in of_file(given["config"]) if given["config"] else ():
        meaning.add(group, key, value)
    for group in GROUPS.values():
        for key, value in pairs(given[group]):
            meaning.add(group, key, value)
    meaning.wasi = meaning.wasi or bool(given["allow_wasi"])
    for name in _SWITCHES:
        meaning.propose(name, given[f"wasm_{name.replace('-', '_')}"] is not False)
    if given["inherit_stdio"] is False:
        meaning.without |= {"stdin", "stdout", "stderr"}
    return meaning


def _options(data: bytes, source: str, output: str, meaning: Meaning, given: dict[str, Any]) -> tuple[bool, Options]:
    """Whether warnings are not wanted, and the options of the build. Raises `UsageError`, what parsing raises."""
    from ..options.fields import changed
    from ..passes.plan.exports import NOTHING_EXPORTED
    from .build import command as build
    from .given import options_of
    from .options import chosen_of_build

    arguments = [*meaning.arguments, *_plain(given), "--layout=wizer"]
    if not meaning.wasi:
        arguments.append("--no-wasi")
    if given["rename_func"] or meaning.defaults:
        from ..binary.module import parse
        from ..passes.parse.source import binary

        module = parse(binary(data))
        arguments += _renamings(module, given)
        arguments += _defaults(module, given) if meaning.defaults else []
    chosen = chosen_of_build(build, arguments, _more(), VARIABLE)
    options = options_of(chosen, digest_files=False, digest_modules=False)  # it writes no report
    own: dict[str, Any] = {"accept": (*options.accept, NOTHING_EXPORTED)}  # wizer writes such outputs
    if given["init_func"]:
        own["init_funcs"] = [given["init_func"]]
    if not options.host.stdin and source != STANDARD_OUTPUT and "stdin" not in meaning.without:
        own["_late_stdin"] = _standard_input
    if "stdout" in meaning.without:
        own["stdout"] = _drop
    elif output != STANDARD_OUTPUT:
        own["stdout"] = _to_stdout
    if "stderr" in meaning.without:
        own["stderr"] = _drop
    return chosen["quiet"], changed(options, own)


def _more() -> list[str]:
    try:
        return shlex.split(os.environ.get(VARIABLE, ""))
    except ValueError as problem:
        raise UsageError(f"${VARIABLE} can't be split into options: {problem}", hint="Close its quotes.") from None


def _plain(given: dict[str, Any]) -> list[str]:
    """What `preinit build` calls the same, or nearly."""
    arguments = [f"--preload={text}" for text in given["preload"]]
    arguments += [f"--dir={text}" for text in given["dirs"]]
    arguments += ["--dir={}::{}".format(*mapped_folder(text)) for text in given["mapdir"]]
    arguments += [f"--env={text}" for text in given["env"]]
    if given["inherit_env"] is not None:
        arguments.append(f"--inherit-env={str(given['inherit_env']).lower()}")
    if given["keep_init_func"]:
        arguments.append("--keep-init-func=true")
    return arguments


def _renamings(module: Module, given: dict[str, Any]) -> Iterator[str]:
    """The renamings. Wizer passes over those of exports that are not in its output; here that is said."""
    sources: set[str] = set()
    run = {given["init_func"]} if given["init_func"] else {n for n in DEFAULTS if n in module.exported_names}
    for text in given["rename_func"]:
        destination, _, source = text.partition("=")
        if source in sources:
            raise UsageError(f"the export {quoted(source)} is renamed twice", hint="Leave one of the renamings out.")
        sources.add(source)
        if source not in module.exported_names or (not given["keep_init_func"] and source in {_REACTOR_START, *run}):
            say(f"warning: nothing is renamed to {quoted(destination)}: the output has no export {quoted(source)}")
        elif destination:
            yield f"--rename-func={destination}={source}"


def _defaults(module: Module, given: dict[str, Any]) -> list[str]:
    """Zeros from all functions that nobody provides."""
    from ..binary.sections import ExternKind
    from ..host.wasi1.abi import MODULE

    provided = {MODULE, *(text.partition("=")[0] for text in given["preload"])}
    names = {entry.module for entry in module.imports if entry.kind == ExternKind.FUNC} - provided
    return [f"--stub={name}.*=zero" for name in sorted(names)]


def _check_proposals(data: bytes, disabled: set[str]) -> None:
    """Refuses a module that uses a proposal that is switched off. Raises `UnsupportedProposal`, `ToolMissing`."""
    if not disabled:
        return
    import subprocess

    from ..errors import UnsupportedProposal
    from ..passes.parse.text import wasm_tools

    features = ",".join(["all", *(f"-{name}" for name in sorted(disabled))])
    done = subprocess.run([wasm_tools(), "validate", f"--features={features}", "-"], input=data, capture_output=True)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().removeprefix("error: ")
        raise UnsupportedProposal(
            f"the module is not valid without {', '.join(sorted(disabled))}: {said}",
            hint="Allow what it uses.",
        )


@cache
def _standard_input() -> bytes:
    return read(STANDARD_OUTPUT)


def _drop(data: bytes) -> None:
    pass


def _to_stdout(data: bytes) -> None:
    """What the guest prints, to standard output, where the module does not go. Lost where nobody reads it."""
    if sys.stdout is not None:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        except (OSError, ValueError):
            pass


@contextmanager
def _told(observer: Observer, code: int = 1) -> Iterator[None]:
    """Says what is raised inside, and ends the process with `code`, or what a signal asks for.

    Of a guest that failed, in wizer's form: tools look for it, and show their users what the guest itself printed.
    """
    running = ""

    def hear(event: Event) -> None:
        nonlocal running
        if event.kind == "begins":
            running = event.detail if event.said == "run" else ""

    observer.listeners.append(hear)
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except BaseException as caught:
        problem = as_error(caught)
        if isinstance(problem, WasiRefused):
            problem.what = problem.what.replace("WASI is refused (--no-wasi)", "WASI is not allowed")
            problem.hint = "Allow it: --allow-wasi (with the options of `wasmtime wizer`: -S cli)."
        if isinstance(problem, InitializerFailed) and running:
            _say_trap(problem, running.strip("'"))
        else:
            say_error(problem.code, str(problem))
        leave(problem.exit_code if problem.exit_code > 2 else code)


def _say_trap(problem: InitializerFailed, name: str) -> None:
    say(f"Error: the `{printable(name)}` function trapped\n\nCaused by:")
    for line in f"error[{problem.code}]: {problem}".split("\n"):
        say(f"    {printable(line)}")
    if isinstance(problem, GuestExit):
        say(f"    Exited with i32 exit status {problem.status}")


def run() -> int:
    """Runs the command and returns its exit code. Raises `KeyboardInterrupt`."""
    try:
        with explained(debug=False):  # its help may not be printable where it goes
            return _run()
    except click.ClickException as problem:
        from .usage import in_our_words

        error = in_our_words(problem, PROGRAM)
        say_error(error.code, str(error))
        return 2


def _run() -> int:
    try:
        return int(command.main(prog_name=PROGRAM, standalone_mode=False) or 0)
    except click.Abort:
        raise KeyboardInterrupt from None


if __name__ == "__main__":
    from . import main_of_wizer

    main_of_wizer()
