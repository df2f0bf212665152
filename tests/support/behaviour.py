"""What a module's user can tell of a build: whether its output does what the input does after its initializer."""

from __future__ import annotations

from collections.abc import Sequence

from preinit import Options, build, errors
from preinit.binary.module import parse
from tests.support.instances import Running
from tests.support.modules import UNUSABLE, wasm

#: An export and its i32 arguments.
Call = Sequence[str | int]


def answer(running: Running, call: Call) -> list[bytes] | str:
    """The results of a call, or the reason of its trap."""
    name, *arguments = call
    export = running.module.exported(str(name))
    assert export is not None, f"there is no export {name!r}"
    function_type = running.module.function_type(export.target)
    assert function_type is not None
    raw = [int(number).to_bytes(4, "little", signed=True) for number in arguments]
    try:
        return running.call(str(name), *raw, results=len(function_type.results))
    except errors.GuestTrap as trap:
        return trap.what


def assert_same_behaviour(text: str, calls: Sequence[Call] = (), **fields: object) -> None:
    """Builds, and compares the output with the input after its initializer: state, exports, then answers in order."""
    options = Options(cache=False, **{**UNUSABLE, **fields})
    values = dict(options.import_globals)
    original = Running(wasm(text), values=values)
    original.initialize(options)
    result = build(wasm(text), options)
    output = parse(result.wasm)
    initializers = {run.function for run in result.report.runs}
    assert output.exported_names == original.module.exported_names - initializers
    resumed = Running(result.wasm, values=values)
    resumed.start()
    expected, found = original.state(), resumed.state()
    assert found.memories == expected.memories
    # What was computed from an import is a constant in the output, which nothing reads but the module's code.
    assert found.globals == {index: expected.globals[index] for index in found.globals}
    assert found.references == expected.references
    assert found.tables == expected.tables
    for call in calls:
        assert answer(resumed, call) == answer(original, call), call


def assert_holds_a_byte(text: str, place: int) -> None:
    """In a memory that is too large to be compared: `peek(place)` is 1 in the output."""
    running = Running(build(wasm(text), Options(cache=False, **UNUSABLE)).wasm)
    assert answer(running, ("peek", place)) == [(1).to_bytes(16, "little")]


def assert_refuses_another_value(text: str, value: tuple[str, str], others: Sequence[str]) -> None:
    """The output starts with the imported constant that it was built with, and with no other."""
    binary = build(wasm(text), Options(cache=False, import_globals=(value,), **UNUSABLE)).wasm
    Running(binary, values=dict((value,))).start()
    for other in others:
        try:
            Running(binary, values={value[0]: other}).start()
        except errors.GuestTrap:
            continue
        raise AssertionError(f"it starts with {value[0]}={other}")


def assert_true_to_names(text: str, names: dict[int, str]) -> None:
    """The name section calls data segments what they are called."""
    assert parse(build(wasm(text), Options(cache=False, **UNUSABLE)).wasm).names.data_segments == names
