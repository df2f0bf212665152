"""Stand-ins: functions in the place of exports that glue calls when it loads a module, and that have run already.

Each call gives JavaScript again what only JavaScript holds: import calls that it was seen to make are made once more
(embind's registrations; others by name); the first one opens files again. It returns what was returned before. Later
calls run the original, as soon as there were as many as while the program was loaded; constructors never run again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import I32, FuncType, is_numeric
from ..errors import CaptureRefused, Misfit, UnknownExport, counted, quoted
from ..options.capture import Capturing
from ..options.hints import few_of, option
from ..passes.rewrite.plan import Added
from ..tuples import NamedTuple
from .arguments import borrowed, changed_words, raw
from .imports import CHANGES, HARMLESS, REPLAYED, numbered
from .recording import ExportCall, Files, ImportUse, Recording
from .reopening import NOTHING, reopening
from .setups import givers, idle, sets_up

#: What glue calls when it starts, where names are not minified.
_INITIALIZERS = re.compile(
    r"_*(wasm_call_ctors|wasm_apply_data_relocs|wasm_apply_global_relocs|wasm_init_memory|initialize|start|main"
    r"|main_argc_argv|emscripten_stack_init)"
)
#: Of those, what must never run again.
_ONCE = re.compile(r"_*(wasm_call_ctors|wasm_apply_\w+|wasm_init_memory|initialize|start)")
#: Where files are opened again: as soon as anything of the program would run.
_FIRST = re.compile(r"_*(wasm_call_ctors|initialize|start)")
#: The JavaScript function of Emscripten's glue that calls the program first, before there are files.
_STACK = "stackCheckInit"
#: JavaScript functions of Emscripten's glue that call them where names are minified.
_STARTERS = frozenset(("initRuntime", "callMain", _STACK, "receiveInstance", "callRuntimeCallbacks",
                       "preMain", "createWasm"))  # fmt: skip
#: Exports that glue needs as they are.
_HELPERS = re.compile(
    r"_*(malloc|calloc|realloc|free|memalign|stackSave|stackRestore|stackAlloc|setThrew|emscripten_stack_.*"
    r"|emscripten_builtin_.*|dynCall_.*|asyncify_.*|errno_location|setTempRet0|getTempRet0|set_stack_limits"
    r"|stdio_exit|fflush|strerror|(write|check)StackCookie)"
)
#: Calls of one export that a stand-in can make again.
MOST_CALLS = 1000
#: Characters of the longest name that a minifier gives.
MINIFIED = 3
_IS_MINIFIED = "its name is minified"
#: JavaScript frames in which the function that calls main is looked for.
_NEAR = 3


class StandIn(NamedTuple):
    """One of them: the export in whose place it stands, why, and how often JavaScript had called that.

    `swallowed`: calls that do not run the original, unless none ever does. `replayed`: import calls that it makes.
    `dropped`: those that it does not make, by name, and `unknown` ones of them, of which nobody knows whether that is
    right. `threw`: calls that had thrown, which is not done again. `reopened`: files that it opens again.
    """

    export: str
    why: str
    called: int
    swallowed: int
    replayed: int
    dropped: dict[str, int]
    unknown: dict[str, int]
    threw: int
    reopened: Files
    function: Added


def is_helper(call: ExportCall) -> bool:
    """Whether an export is one that glue needs as it is: by its name, or by that of the function that hands it on, or
    by what JavaScript calls it."""
    return helper_name(call) is not None


def helper_name(call: ExportCall) -> str | None:
    """The name that tells so."""
    names = (call.name, "".join(call.frames[:1]), call.alias)
    return next((name for name in names if _HELPERS.fullmatch(name)), None)


def may_run_once(module: Module, recording: Recording, made: Sequence[StandIn]) -> list[str]:
    """Exports that may have to be named with `--once`, the likeliest first: without parameters, called by the glue when
    it loads the program, or once in prepare(); then those with parameters whose names are not minified. What changes
    nothing of the program is none of them, nor what gives other calls something to work with."""
    replaced = {one.export for one in made} | idle(recording) | givers(recording)
    types = {e.name: module.function_type(e.target) for e in module.exports if e.kind == ExternKind.FUNC}
    first = {call.name: call for call in reversed(recording.calls) if call.name in types and not is_helper(call)}
    found: list[list[str]] = [[], [], []]
    for name, call in reversed(first.items()):
        kind = types[name]
        times = recording.loading.get(name, 0) or recording.called.get(name, 0)
        if kind is None or name in replaced or times > MOST_CALLS:
            continue
        if not kind.params and kind.results in ((), (I32,)):
            if call.loading:
                found[0].append(name)
            elif recording.called.get(name) == 1:
                found[1].append(name)
        elif call.loading and len(name) > MINIFIED:
            found[2].append(name)
    return [name for names in found for name in names]


def whole(module: Module, once: Sequence[str]) -> list[str]:
    """Exports of which each call must be recorded, up to `MOST_CALLS`: of others, two are enough."""
    names = [e.name for e in module.exports if e.kind == ExternKind.FUNC]
    return [name for name in names if name in once or (_INITIALIZERS.fullmatch(name) and not _ONCE.fullmatch(name))]


def stand_ins(module: Module, recording: Recording, pointer: int | None, wanted: Capturing) -> list[StandIn]:
    """What the output has in the place of exports. `pointer`: the stack pointer's global.

    Raises `UnknownExport`, `Misfit` for names in `wanted` that fit nothing, or that were called too often;
    `CaptureRefused` where other exports were.
    """
    _check(module, recording, wanted)
    maker = _Maker(module, recording, pointer, wanted)
    made = list(maker.made())
    for name in wanted.replay:
        if name.lstrip("_") not in maker.replayed_names:
            raise Misfit(
                f"no call of the import {quoted(name)}, which `--replay` names, was made by an export that the output "
                "replaces",
                hint="Leave `--replay` out for it, or name that export with `--once`.",
            )
    return made


def is_known(entry: ImportUse, dropped: Sequence[str] = ()) -> bool:
    """Whether it is known what calls of an import leave in JavaScript; or `dropped` says that it does not matter."""
    names = _names(entry)
    known = (HARMLESS.fullmatch, REPLAYED.match, CHANGES.fullmatch)
    return bool(names & {name.lstrip("_") for name in dropped}) or any(rule(name) for rule in known for name in names)


def left_of_start(recording: Recording, made: Sequence[StandIn]) -> dict[str, int]:
    """Import calls of the start function that nothing makes again, by name: no export is replaced that could."""
    if made:
        return {}
    found: Counter[str] = Counter()
    for call in recording.calls:
        for entry in (recording.imports[made.function] for made in call.imports if not call.name):
            if not any(map(HARMLESS.fullmatch, _names(entry))):
                found[entry.title] += 1
    return dict(found)


def _check(module: Module, recording: Recording, wanted: Capturing) -> None:
    functions = {e.name for e in module.exports if e.kind == ExternKind.FUNC}
    for name in wanted.once:
        if name not in functions:
            raise UnknownExport(
                f"there is no function {quoted(name)} among the exports, which the output is to call only once"
            )
        if name not in recording.called:
            raise Misfit(
                f"the export {quoted(name)} was never called before the pause",
                hint=f"Leave `--once` out, or name one that was: {', '.join(list(recording.called)[:12])}.",
            )
    functions_imported = numbered(module)
    imports = [entry for entry in recording.imports if (entry.module, entry.name) in functions_imported]
    known = {entry.title: f"`{entry.title}`" for entry in imports}
    names_of = {name for entry in imports for name in _names(entry)}
    for flag, names in (("--replay", wanted.replay), ("--drop", wanted.drop)):
        for name in names:
            if name.lstrip("_") not in names_of:
                raise Misfit(
                    f"the module imports no function {quoted(name)}, which `{flag}` names",
                    hint=f"It imports {few_of(known, name)}." if known else f"It imports none: leave `{flag}` out.",
                )
    files = recording.files
    numbers = [file.number for file in files.opened]
    for number in wanted.forget_fd:
        if number not in (*numbers, *files.shut, *files.begun):
            raise Misfit(
                f"the descriptor {number}, which `--forget-fd` names, is not open at the pause",
                hint=f"Open: {', '.join(map(str, numbers))}." if numbers else "None is: leave the option out.",
            )


class _Maker:
    def __init__(self, module: Module, recording: Recording, pointer: int | None, wanted: Capturing) -> None:
        self._module = module
        self._recording = recording
        self._wanted = wanted
        self._replay = {name.lstrip("_") for name in wanted.replay}
        self._drop = {name.lstrip("_") for name in wanted.drop}
        self._numbers = numbered(module)
        self._exports = {e.name: e.target for e in module.exports if e.kind == ExternKind.FUNC}
        bits = recording.state.numbers.get(pointer, b"") if pointer is not None else b""
        self._resting = int.from_bytes(bits, "little")
        self._counters = len(module.globals)
        self.replayed_names: set[str] = set()
        self._opens = True  # the next one that comes first opens files
        self._sets_up = sets_up(module, recording)
        self._start = next((call for call in recording.calls if not call.name), None)

    def made(self) -> Iterator[StandIn]:
        """In the order of their first calls."""
        seen: set[str] = set()
        before = True  # whether all exports that were called so far are replaced
        for call in self._recording.calls:
            if call.name in seen or call.name not in self._exports:
                continue
            seen.add(call.name)
            why = self._why(call, before)
            if why is None:
                before = False
            else:
                yield self._stand_in(call, why)
                self._counters += 1

    def _type(self, name: str) -> FuncType:
        kind = self._module.function_type(self._exports[name])
        assert kind is not None  # it was instantiated
        return kind

    def _why(self, call: ExportCall, first: bool) -> str | None:
        """Why an export is replaced; None for one that is not. `first`: nothing that stays was called before."""
        name = call.name
        if name in self._wanted.once:
            return "it is named with `--once`"
        if not call.loading:
            return None
        if _INITIALIZERS.fullmatch(name):
            return "by its name"
        if is_helper(call):
            return None
        later = "it sets something up, and load() calls it once" if name in self._sets_up else None
        if len(name) > MINIFIED:
            return later
        kind = self._type(name)
        nothing = not kind.params and not kind.results
        if first and nothing and self._recording.called.get(name) == 1:
            return f"{_IS_MINIFIED}, and it is the first call of all"
        starter = next((frame for frame in call.frames if frame in _STARTERS), None)
        if starter and nothing and starter != "callMain":
            return f"{_IS_MINIFIED}, and {starter} called it"
        if "callMain" in call.frames[:_NEAR] and kind == FuncType((I32, I32), (I32,)):
            return f"{_IS_MINIFIED}, and callMain called it"
        return later

    def _stand_in(self, call: ExportCall, why: str) -> StandIn:
        index, kind = self._exports[call.name], self._type(call.name)
        calls = [one for one in self._recording.calls if one.name == call.name]
        if self._start:  # nothing of the output runs before the first stand-in
            calls[0] = calls[0]._replace(imports=self._start.imports + calls[0].imports)
            self._start = None
        replayed, number = self._replayed(calls[0])
        dropped, unknown = self._left_out(calls[0])
        begins = _FIRST.fullmatch(call.name) or (
            why.startswith(_IS_MINIFIED) and not kind.params and _STACK not in call.frames[:_NEAR]
        )
        files = NOTHING
        if begins and self._opens:
            self._opens = False
            files = reopening(self._module, self._recording, self._resting, self._wanted.forget_fd, len(kind.params))
        counter = self._counters
        result = _result(kind, call)
        never = _ONCE.fullmatch(call.name) or begins
        again = result if never else code.parameters(kind) + code.call(index)
        total = self._recording.called.get(call.name, 0)
        swallowed = self._recording.loading.get(call.name, 0) or total
        made = calls[:1] if never else calls[: max(swallowed, 1)]
        if swallowed > 1 and not never:
            if swallowed > len(calls):
                raise self._too_many(call.name, swallowed)
            swallow, n = self._later(kind, made, counter)
            number += n
            for one in made[1:]:
                for found, part in zip((dropped, unknown), self._left_out(one), strict=True):
                    found.update({name: found.get(name, 0) + times for name, times in part.items()})
            again = code.global_get(counter) + code.i32_const(swallowed) + code.I32_OPS.lt_u + code.if_(swallow) + again
        first = code.i32_const(1) + code.global_set(counter) + replayed + files.body + result + code.RETURN
        body = code.global_get(counter) + code.I32_OPS.eqz + code.if_(first) + again
        return StandIn(
            call.name, why, total, swallowed, number, dropped, unknown, sum(one.threw for one in made), files.files,
            Added(kind, files.locals, body),
        )  # fmt: skip

    def _later(self, kind: FuncType, calls: Sequence[ExportCall], counter: int) -> tuple[bytes, int]:
        """Instructions that do what each call after the first one did, and how many import calls they make: what they
        return is that of the second one, unless something else is said for it."""
        second = calls[1]
        more, made = self._replayed(second)
        again = code.global_get(counter) + code.i32_const(1) + code.I32_OPS.eq + code.if_(more)
        again += code.global_get(counter) + code.i32_const(1) + code.I32_OPS.add + code.global_set(counter)
        pieces = [again]
        for number, call in enumerate(calls[2:], 3):
            more, n = self._replayed(call)
            made += n
            if more or call.result != second.result:
                is_it = code.global_get(counter) + code.i32_const(number) + code.I32_OPS.eq
                pieces.append(is_it + code.if_(more + _result(kind, call) + code.RETURN))
        return b"".join(pieces) + _result(kind, second) + code.RETURN, made

    def _too_many(self, name: str, number: int) -> Misfit | CaptureRefused:
        if name in self._wanted.once:
            return Misfit(
                f"{quoted(name)}, which `--once` names, was called {number:,} times: a stand-in can do again what "
                f"{MOST_CALLS:,} calls did",
                hint="Leave it out of `--once`, and call it in prepare(program), and not in load().",
            )
        return CaptureRefused(
            f"loading the program called {quoted(name)} {number:,} times, and not all that these calls did is known",
            hint=f"Name it: {option('--once', name)} .",
        )

    def _is_replayed(self, entry: ImportUse) -> bool:
        names = _names(entry)
        if names & self._drop:
            return False
        return bool(names & self._replay) or any(map(REPLAYED.match, names))

    def _replayed(self, call: ExportCall) -> tuple[bytes, int]:
        """Instructions that make the import calls again, and how many they are."""
        pieces = []
        number = 0
        memory = self._recording.memories.get(0, memoryview(b""))
        for made in call.imports:
            entry = self._recording.imports[made.function]
            if not self._is_replayed(entry):
                continue
            function = self._numbers[entry.module, entry.name]
            signature = self._module.function_type(function)
            assert signature is not None
            again = b""
            for value_type, value in zip(signature.params, made.arguments, strict=False):
                again += code.value(value_type, raw(value_type, value))
            again += code.call(function) + code.DROP * len(signature.results)
            for address, content in made.pointed:
                for place, word in changed_words(memory, address, content):
                    again = borrowed(memory, place, word, again, self._module.memories[0].is_64)
            pieces.append(again)
            number += 1
            self.replayed_names |= _names(entry)
        return b"".join(pieces), number

    def _left_out(self, call: ExportCall) -> tuple[dict[str, int], dict[str, int]]:
        dropped: Counter[str] = Counter()
        unknown: Counter[str] = Counter()
        for made in call.imports:
            entry = self._recording.imports[made.function]
            if self._is_replayed(entry):
                continue
            names = _names(entry)
            known = names & self._drop or any(map(HARMLESS.fullmatch, names))
            (dropped if known else unknown)[entry.title] += 1
        return dict(dropped), dict(unknown)


def _result(kind: FuncType, call: ExportCall) -> bytes:
    """Instructions that give what a call returned."""
    results = call.result if isinstance(call.result, list) else [call.result] * len(kind.results)
    pairs = zip(kind.results, results, strict=False)
    return b"".join(code.value(t, raw(t, given)) if is_numeric(t) else code.ref_null(t) for t, given in pairs)


def _names(entry: ImportUse) -> set[str]:
    """What an import is called in the module and in JavaScript, without the underscores that compilers put before."""
    return {entry.name.lstrip("_"), entry.provider.lstrip("_")} - {""}


def described(found: dict[str, int]) -> str:
    """Import calls by name, for a message."""
    shown = [f"`{name}` ({counted(number, 'call')})" for name, number in list(found.items())[:6]]
    return ", ".join(shown) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
