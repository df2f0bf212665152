"""The same measurements in Node, whose engine is V8: node.mjs makes them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..binary.module import Module
from ..binary.sections import ExternKind, Import
from ..binary.types import F32, F64, FUNCREF, I32, I64, NUMERIC_SIZES, ValType
from ..engine.runtime import Deadline
from ..errors import GuestTrap, PreinitError, Unsupported, UsageError, printable
from ..host.stubs import Answer, stub_answers
from ..node.program import find_node
from ..options import Options
from ..options.calls import Argv, Returned, Strings, Word
from ..options.numbers import encode
from ..passes.observer import Observer
from ..passes.plan.arguments import Call, Data
from ..passes.run.calls import c_string
from .limits import LEAST_ROUNDS, MOST_ALIVE, MOST_IN_A_ROW, MOST_MEMORY, SHARE
from .model import Bench, MemoryPerCopy, Side, Times
from .sizes import sizes
from .subject import Subject

_SCRIPT = Path(__file__).with_name("node.mjs")
_TYPES = {I32: "i32", I64: "i64", F32: "f32", F64: "f64"}


def measure_in_node(
    pair: tuple[Subject, Subject], options: Options, rounds: int, seconds: float, observer: Observer, deadline: Deadline
) -> Bench:
    """See `measure`. Node's own WASI is used: its clock and its random numbers, and folders that can be written.

    Raises `ToolMissing` where Node is missing or too old, `Unsupported` where it can't run a module or an import can't
    be provided, `GuestTrap` where a module fails, `UsageError`.
    """
    if options.preloads:
        raise UsageError("preloaded modules can't be used in Node", hint="Measure with `--runtime wasmtime`.")
    if options.pause is not None:
        raise UsageError(
            "a program that was paused can't be measured in Node: nothing there tells when it prints first",
            hint="Measure with `--runtime wasmtime`.",
        )
    if options.host.functions:
        raise UsageError("Python functions can't be called from Node", hint='Measure with `runtime="wasmtime"`.')
    if options.host.dirs and not options.host.writable:
        raise UsageError(
            "Node's WASI can't keep the guest from writing the folders that it is given",
            hint="Allow it with `--writable`, or measure with `--runtime wasmtime`.",
        )
    program, version = find_node(otherwise=", or measure with `--runtime wasmtime`")
    with tempfile.TemporaryDirectory(prefix="preinit-") as folder:
        stdin = Path(folder, "stdin")
        stdin.write_bytes(options.host.stdin)
        request = {
            "rounds": rounds, "leastRounds": LEAST_ROUNDS, "seconds": seconds, "share": seconds * SHARE,
            "mostInARow": MOST_IN_A_ROW, "mostAlive": MOST_ALIVE, "mostMemory": MOST_MEMORY,
            "stdin": str(stdin), "hasWasi": options.host.wasi,
            "wasi": {
                "args": options.host.args,
                "env": dict(options.host.env),
                "preopens": {guest: str(Path(host).absolute()) for host, guest in options.host.dirs},
            },
            "sides": [_side(subject, options, Path(folder)) for subject in pair],
        }  # fmt: skip
        with observer.stage("measuring in Node"):
            answer = _run(program, json.dumps(request), deadline)
    found = []
    for subject, facts in zip(pair, answer["sides"], strict=True):
        with observer.stage(f"compressing the {subject.name}"):
            size = sizes(subject.module.data)
        memory = facts["memory"]
        per_copy = memory and MemoryPerCopy(
            memory["copies"], memory["resident"] // memory["copies"], memory["proportional"] // memory["copies"]
        )
        times = Times(tuple(facts["seconds"]))
        rate = facts["copiesPerSecond"]
        found.append(Side(size, subject.functions, facts["compileSeconds"], times, None, rate, per_copy))
    return Bench(f"Node {version}", f"V8 {answer['v8']}", *found)


def _run(program: str, request: str, deadline: Deadline) -> dict[str, Any]:
    command = [program, "--expose-gc", "--no-warnings", str(_SCRIPT)]
    clean = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    try:
        done = subprocess.run(
            command, input=request.encode(), capture_output=True, timeout=deadline.remaining(), env=clean, check=False
        )
    except subprocess.TimeoutExpired:
        raise deadline.error() from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Unsupported(
            f"Node ended with code {done.returncode}: {printable(''.join(last)) or 'it said nothing'}"
        ) from None
    if "error" in answer:
        raise _problem(answer["error"])
    return answer


def _problem(error: dict[str, Any]) -> PreinitError:
    said, where = printable(str(error["message"])), f"the {error['side']}" if error["side"] else None
    if error["step"] == "compile":
        hint = "Measure with `--runtime wasmtime`: Node lacks something that the module uses."
        return Unsupported(f"Node can't compile the module: {said}", where=where, hint=hint)
    return GuestTrap(f"in Node, the module could not be started: {said}", where=where)


def _side(subject: Subject, options: Options, folder: Path) -> dict[str, Any]:
    path = folder / f"{subject.name}.wasm"
    path.write_bytes(subject.wasm)
    calls: list[dict[str, Any]] = [{"name": subject.start, "given": [], "returns": None}] if subject.start else []
    for call in subject.calls:
        returns: Any = call.returns
        if call.expected is not None:
            returns = _number(call.type.results[0], call.expected)
        calls.append({"name": call.name, "given": list(_given(call)), "returns": returns})
    return {"name": subject.name, "path": str(path), "calls": calls, "imports": _imports(subject.module, options)}


def _given(call: Call) -> Iterator[dict[str, Any]]:
    """What a call is given, for the script. Most data takes two of the parameters."""
    parameters = iter(call.type.params)
    for value in call.values:
        parameter = next(parameters)
        if isinstance(value, Data):
            if not isinstance(value.content, str):
                next(parameters)
            yield {**_data(value.content), "allocator": value.allocator.name, "arguments": value.allocator.arguments}
        elif isinstance(value, Word):
            yield {"word": value.offset}
        elif isinstance(value, Returned):
            yield {"returned": True}
        else:
            yield _number(parameter, value)


def _data(content: bytes | str | Argv | Strings) -> dict[str, Any]:
    """Bytes, a text that ends with NUL, several of them, or texts with their lengths."""

    def coded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    if isinstance(content, bytes):
        return {"data": coded(content)}
    if isinstance(content, str):
        return {"text": coded(c_string(content))}
    if isinstance(content, Argv):
        return {"argv": [coded(c_string(text)) for text in content.texts]}
    return {"list": [coded(text.encode()) for text in content.texts]}


def _number(value_type: ValType, bits: bytes) -> dict[str, str]:
    return {"type": _TYPES[value_type], "bits": bits[: NUMERIC_SIZES[value_type]].hex()}


def _imports(module: Module, options: Options) -> list[dict[str, Any]]:
    stubbed = stub_answers(module, options.stubs)  # refuses what does not fit
    found = []
    for position, entry in enumerate(module.imports):
        facts = {"module": entry.module, "name": entry.name, "stubbed": position in stubbed}
        name = f"{entry.module}.{entry.name}"
        found.append({**facts, **_provided(module, entry, name, stubbed.get(position), dict(options.import_globals))})
    return found


def _provided(module: Module, entry: Import, name: str, stub: Answer, values: dict[str, str]) -> dict[str, Any]:
    """What the script makes for one import. Raises `Unsupported`."""
    if entry.kind == ExternKind.FUNC:
        signature = module.types.functions[entry.type_index]
        if stub is None or signature is None:
            return {"kind": "function"}
        if all(result in _TYPES for result in signature.results):
            answer = [_number(kind, raw or bytes(16)) for kind, raw in zip(signature.results, stub, strict=True)]
            return {"kind": "function", "answer": answer}
    if entry.memory and not entry.memory.is_64 and entry.memory.page_size == 1 << 16:
        limits: dict[str, Any] = {"initial": entry.memory.minimum}
        if entry.memory.maximum is not None:
            limits.update(maximum=entry.memory.maximum, shared=entry.memory.shared)
        return {"kind": "memory", "descriptor": limits}
    if entry.table and entry.table.type == FUNCREF and not entry.table.limits.is_64:
        limits = {"initial": entry.table.limits.minimum, "element": "anyfunc"}
        if entry.table.limits.maximum is not None:
            limits["maximum"] = entry.table.limits.maximum
        return {"kind": "table", "descriptor": limits}
    if entry.global_ and entry.global_.type in _TYPES:
        try:
            bits = encode(entry.global_.type, values.get(name, "0"))
        except ValueError:
            raise UsageError(f"{values[name]!r} is not a number of the type of the imported global `{name}`") from None
        return {"kind": "global", "mutable": entry.global_.mutable, **_number(entry.global_.type, bits)}
    raise Unsupported(
        f"the import `{printable(name)}` is of a kind that can't be made for Node",
        hint="Measure with `--runtime wasmtime`.",
    )
