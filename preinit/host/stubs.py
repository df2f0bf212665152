"""What stands in for imported functions that don't exist at build time: `MODULE.NAME` -> trap, zero, an errno, numbers.

A name that ends with `*` stands for all functions whose names start so; a longer one wins, and a whole name always.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..binary import assembler as code
from ..binary.module import Module
from ..binary.sections import ExternKind
from ..binary.types import I32, NUMERIC_SIZES, FuncType, ValType, is_numeric, type_name
from ..errors import Misfit, UsageError, quoted
from ..options.hints import few_of
from ..options.numbers import encode
from .wasi1.errnos import Errno

#: First byte of the type of a reference without null, where a heap type follows.
_NOT_NULLABLE = 0x64

#: What a name ends with that stands for many.
_MANY = "*"

#: The raw bytes of each result, None for null; or None, where a call traps.
Answer = tuple[bytes | None, ...] | None


def stub_bodies(module: Module, stubs: Iterable[tuple[str, str]]) -> dict[int, bytes | None]:
    """The body of the function that stands in for each stubbed import, by position among all imports; None: it traps.

    Raises `Misfit` for what can't be stubbed, or not so; `UsageError` for what no stub can be.
    """
    return {
        position: None if answer is None else _body(_signature(module, position), answer)
        for position, answer in stub_answers(module, stubs).items()
    }


def stub_answers(module: Module, stubs: Iterable[tuple[str, str]]) -> dict[int, Answer]:
    """What each stubbed import answers, by position among all imports. Raises the same."""
    given = list(stubs)
    for name, what in given:
        _check(name, what)
    return {
        position: _answer(_name(module, position), what, _signature(module, position))
        for position, (_, what) in stubbed(module, given).items()
    }


def stubbed(module: Module, stubs: Iterable[tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """Which stub stands for an import, by position among all imports. Raises `Misfit` for one that stands for none."""
    functions: dict[str, list[int]] = {}
    for position, entry in enumerate(module.imports):
        if entry.kind == ExternKind.FUNC:
            functions.setdefault(f"{entry.module}.{entry.name}", []).append(position)
    found: dict[int, tuple[str, str]] = {}
    for stub in sorted(stubs, key=lambda stub: (stub[0] in functions, len(stub[0]))):  # what comes last wins
        name, _ = stub
        if name in functions:
            meant = [name]
        elif name.endswith(_MANY):
            meant = [function for function in functions if function.startswith(name.removesuffix(_MANY))]
        else:
            meant = []
        if not meant:
            raise _unknown(module, name)
        found |= {position: stub for function in meant for position in functions[function]}
    return found


def _unknown(module: Module, name: str) -> Misfit:
    hint = "Write it as MODULE.NAME=trap|zero|NUMBER|ERRNO, with a function that the module imports."
    if any(f"{entry.module}.{entry.name}" == name for entry in module.imports):
        return Misfit(f"the import {quoted(name)} is not a function, so it can't be stubbed", hint=hint)
    functions = [f"{entry.module}.{entry.name}" for entry in module.imports if entry.kind == ExternKind.FUNC]
    if functions:
        hint = f"It imports {few_of({known: quoted(known) for known in functions}, name)}. {hint}"
    what = "function" if not name.endswith(_MANY) else "function whose name fits"
    return Misfit(f"the module imports no {what} {quoted(name)} that could be stubbed", hint=hint)


def _name(module: Module, position: int) -> str:
    entry = module.imports[position]
    return f"{entry.module}.{entry.name}"


def _signature(module: Module, position: int) -> FuncType:
    signature = module.types.functions[module.imports[position].type_index]
    assert signature is not None  # the module was parsed: a function import names a function type
    return signature


def _check(name: str, what: str) -> None:
    """Refuses what no stub can be, whatever it is for."""
    if what in ("trap", "zero") or _errno(what) is not None:
        return
    if not all(any(_fits(kind, part) for kind in NUMERIC_SIZES) for part in what.split(",")):
        raise UsageError(
            f"a stub can't be {quoted(what)}, for {quoted(name)}",
            hint="It can be trap, zero, a number (several, with commas, for several results), or the name of a WASI "
            "errno, such as nosys.",
        )


def _answer(name: str, what: str, signature: FuncType) -> Answer:
    if what == "trap":
        return None
    if what == "zero":
        return tuple(_zero(name, result) for result in signature.results)
    number = _errno(what)
    if number is not None:
        if signature.results != (I32,):
            raise Misfit(
                f"{quoted(name)} has type {signature}, so its stub can't return an errno, an i32",
                hint="Use trap or zero, or numbers that fit.",
            )
        return (number.to_bytes(4, "little"),)
    parts = what.split(",")
    if len(parts) != len(signature.results) or not all(map(_fits, signature.results, parts)):
        raise Misfit(
            f"{quoted(name)} has type {signature}, so its stub can't return {quoted(what)}",
            hint="Give a number for each result, with commas between them, or zero.",
        )
    return tuple(map(encode, signature.results, parts))


def _fits(value_type: ValType, text: str) -> bool:
    try:
        encode(value_type, text)
    except ValueError:
        return False
    return True


def _zero(name: str, result: ValType) -> bytes | None:
    if is_numeric(result):
        return bytes(NUMERIC_SIZES[result])
    if result[0] == _NOT_NULLABLE:
        raise Misfit(
            f"{quoted(name)} returns {type_name(result)}, which has no null: its stub can't be zero",
            hint="Use trap, or a preloaded module that provides it: `--preload NAME=FILE`.",
        )
    return None


def _body(signature: FuncType, answer: tuple[bytes | None, ...]) -> bytes:
    values = (
        code.ref_null(result) if raw is None else code.value(result, raw)
        for result, raw in zip(signature.results, answer, strict=True)
    )
    return code.NO_LOCALS + b"".join(values) + code.END


def _errno(text: str) -> int | None:
    """Of `nosys`, `ENOSYS`."""
    upper = text.upper()
    name = upper if upper in Errno.__members__ else upper.removeprefix("E")
    return int(Errno[name]) if name in Errno.__members__ else None
