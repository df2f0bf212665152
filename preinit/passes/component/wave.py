"""Values and types of components as text: WAVE.

https://github.com/bytecodealliance/wasm-tools/tree/main/crates/wasm-wave
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ...binary.digest import fingerprint_of
from ...engine.component.aggregates import Flags, List, Own, Record, Variant
from ...engine.component.functions import FunctionType
from ...engine.component.values import ValueType
from ...errors import UsageError, quoted
from ...options.wave import Char, Content, Fields, Label, Node, Number, Sequence, Text

_WORDS = {"nan": math.nan, "inf": math.inf}


def _unfit(node: Node, wanted: ValueType) -> UsageError:
    kinds = {
        Content: "what a file holds",
        Number: "a number",
        Char: "a char",
        Text: "a text",
        Fields: "a record",
        Label: "a word",
    }
    said = kinds.get(type(node), "a list" if isinstance(node, Sequence) and node.is_list else "a tuple")
    if isinstance(node, Number | Label):
        said = quoted(node.text if isinstance(node, Number) else node.name)
    return UsageError(f"{said} is no value of type {type_text(wanted)}", hint=f"For example: {example(wanted)}")


def value_of(wanted: ValueType, node: Node) -> Any:
    """The value that was written. Raises `UsageError`."""
    match wanted:
        case List():
            if isinstance(node, Content) and wanted.element.kind == "u8":
                return node.data
            if isinstance(node, Sequence) and node.is_list:
                items = [value_of(wanted.element, item) for item in node.items]
                return bytes(items) if wanted.element.kind == "u8" else items
        case Record():
            return _record(wanted, node)
        case Flags():
            if isinstance(node, Fields) and all(value is None for _, value in node.items):
                return sum(1 << _label(wanted.labels, name, wanted) for name, _ in node.items)
        case Variant():
            return _variant(wanted, node)
        case Own():
            raise UsageError(
                f"a handle of `{wanted.resource}` can't be written",
                hint="Only the component or its host can make one: export a function without that parameter.",
            )
        case _:
            return _scalar(wanted, node)
    raise _unfit(node, wanted)


def _label(labels: Any, name: str, wanted: ValueType) -> int:
    if name not in labels:
        raise UsageError(
            f"{quoted(name)} is none of {type_text(wanted)}",
            hint=f"It has {', '.join(map(quoted, list(labels)[:10]))}.",
        )
    return list(labels).index(name)


def _record(wanted: Record, node: Node) -> Any:
    if wanted.names is None:
        if isinstance(node, Sequence) and not node.is_list and len(node.items) == len(wanted.types):
            return tuple(value_of(found, item) for found, item in zip(wanted.types, node.items, strict=True))
        raise _unfit(node, wanted)
    if not isinstance(node, Fields):
        raise _unfit(node, wanted)
    given = dict(node.items)
    unknown = next((name for name in given if name not in wanted.names), None)
    if unknown is not None:  # first: a name that is misspelled is why another has no value
        raise UsageError(f"there is no field {quoted(unknown)}", hint=f"For example: {example(wanted)}")
    found: list[Any] = []
    for name, kind in zip(wanted.names, wanted.types, strict=True):
        item = given.get(name)
        if item is None and kind.kind == "option":
            found.append(None)
        elif item is None:
            raise UsageError(f"the field {quoted(name)} has no value", hint=f"For example: {example(wanted)}")
        else:
            found.append(value_of(kind, item))
    return tuple(found)


def _variant(wanted: Variant, node: Node) -> Any:
    if isinstance(node, Number) and node.text in wanted.numbers:  # `inf` is a name like others
        node = Label(node.text, None)
    if isinstance(node, Label) and node.name in wanted.numbers:
        payload = wanted.payloads[wanted.numbers[node.name]]
        if (payload is None) == (node.payload is None):
            value = value_of(payload, node.payload) if payload and node.payload else None
            if wanted.kind == "enum":
                return node.name
            if wanted.kind == "option":
                return None if payload is None else (value,)
            return node.name, value
    elif wanted.kind in ("option", "result") and wanted.payloads[wanted.kind == "option"]:
        # A value alone stands for `some` of it, or `ok`.
        payload = wanted.payloads[wanted.kind == "option"]
        assert payload is not None
        if payload.kind not in ("option", "result"):
            value = value_of(payload, node)
            return (value,) if wanted.kind == "option" else ("ok", value)
    raise _unfit(node, wanted)


def _scalar(wanted: ValueType, node: Node) -> Any:
    kind = wanted.kind
    if kind == "string" and isinstance(node, Text):
        return node.text
    if kind == "string" and isinstance(node, Content):
        try:
            return node.data.decode()
        except UnicodeDecodeError as problem:
            raise UsageError(
                f"the file is no text in UTF-8 (byte {problem.start})", hint="Give a function that takes a list<u8>."
            ) from None
    if kind == "char" and isinstance(node, Char):
        return node.text
    if kind == "bool" and isinstance(node, Label) and node.payload is None and node.name in ("true", "false"):
        return node.name == "true"
    if kind in ("f32", "f64"):
        return _float(wanted, node)
    if kind[:1] in ("u", "s") and kind[1:].isdigit() and isinstance(node, Number):
        try:
            value = int(node.text)
        except ValueError:
            raise _unfit(node, wanted) from None
        bits = int(kind[1:])
        low, high = (0, 1 << bits) if kind[0] == "u" else (-(1 << bits - 1), 1 << bits - 1)
        if low <= value < high:
            return value
        raise UsageError(f"{node.text} is no {kind}", hint=f"It is a number from {low} to {high - 1}.")
    raise _unfit(node, wanted)


def _float(wanted: ValueType, node: Node) -> float:
    if isinstance(node, Label) and node.payload is None and node.name in _WORDS:
        return _WORDS[node.name]
    if not isinstance(node, Number):
        raise _unfit(node, wanted)
    value = float(node.text)
    if math.isinf(value) and not node.text.endswith("inf"):
        raise UsageError(f"{node.text} is no {wanted.kind}: it is too large", hint="Infinity is `inf`, or `-inf`.")
    if wanted.kind == "f32" and math.isfinite(value) and abs(value) >= (2 - 2**-24) * 2**127:
        raise UsageError(f"{node.text} is no f32", hint="It is too large.")
    return value


# -- values as text


#: Elements of a list, and characters of a text, that are shown.
_MOST_ITEMS, _MOST_CHARACTERS = 200, 2_000


def value_digest(found: ValueType | None, value: Any) -> str:
    """A fingerprint of a whole value, however long: of its text, which is the same for equal values, NaN included."""
    return fingerprint_of(piece.encode("utf-8", "surrogatepass") + b"\0" for piece in _pieces(found, value)).hex()


def _pieces(found: ValueType | None, value: Any) -> Iterator[str]:
    match found:
        case List():
            yield str(len(value))
            if isinstance(value, bytes):
                yield value.hex()
                return
            for item in value:
                yield from _pieces(found.element, item)
        case Record():
            for kind, item in zip(found.types, value, strict=True):
                yield from _pieces(kind, item)
        case Variant():
            number, payload = found.parts(value)
            yield found.labels[number]
            if found.payloads[number] is not None:
                yield from _pieces(found.payloads[number], payload)
        case Own():
            yield str(found.resource)
        case None:
            yield ""
        case _:
            yield str(value)


def value_text(found: ValueType | None, value: Any) -> str:
    """A value as WAVE has it; nothing for what returns nothing. Of long ones, the beginning."""
    match found:
        case None:
            return ""
        case List():
            items = [value_text(found.element, item) for item in value[:_MOST_ITEMS]]
            return f"[{', '.join(items)}{', ...' if len(value) > _MOST_ITEMS else ''}]"
        case Record():
            items = [value_text(kind, item) for kind, item in zip(found.types, value, strict=True)]
            if found.names is None:
                return f"({', '.join(items)})"
            return "{" + ", ".join(f"{name}: {item}" for name, item in zip(found.names, items, strict=True)) + "}"
        case Flags():
            return "{" + ", ".join(label for bit, label in enumerate(found.labels) if value >> bit & 1) + "}"
        case Variant():
            return _variant_text(found, value)
        case Own():
            return f"<{found.kind} {found.resource}>"
    return _scalar_text(found.kind, value)


def _variant_text(found: Variant, value: Any) -> str:
    if found.kind == "enum":
        return str(value)
    if found.kind == "option":
        return "none" if value is None else f"some({value_text(found.payloads[1], value[0])})"
    label, payload = value
    kind = found.payloads[found.numbers[label]]
    return label if kind is None else f"{label}({value_text(kind, payload)})"


_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _scalar_text(kind: str, value: Any) -> str:
    if kind == "bool":
        return "true" if value else "false"
    if kind in ("string", "char"):
        quote = '"' if kind == "string" else "'"
        cut = "..." if len(value) > _MOST_CHARACTERS else ""
        value = value[:_MOST_CHARACTERS]
        escaped = {**_ESCAPED, quote: f"\\{quote}"}
        return (
            quote + "".join(escaped.get(c, c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in value) + quote + cut
        )
    if kind in ("f32", "f64"):
        return _float_text(kind, value)
    return str(value)


def _float_text(kind: str, value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if kind == "f32":  # as few digits as tell it from its neighbours
        import struct

        for digits in range(6, 10):
            text = f"{value:.{digits}g}"
            if struct.pack("<f", float(text)) == struct.pack("<f", value):
                value = float(text)
                break
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


# -- types as text


#: Types within types that a message shows: a type may name another one twice, and that one others, and so on.
_SHOWN_DEPTH = 4


def type_text(found: ValueType, depth: int = 0) -> str:
    """A type as WIT has it; of one with many parts, its kind and the first of them."""
    if depth > _SHOWN_DEPTH:
        return found.kind

    def inner(kind: ValueType) -> str:
        return type_text(kind, depth + 1)

    match found:
        case List():
            return f"list<{inner(found.element)}>"
        case Record():
            if found.names is None:
                return f"tuple<{_some(list(map(inner, found.types[:11])))}>"
            fields = [f"{name}: {inner(kind)}" for name, kind in zip(found.names[:11], found.types, strict=False)]
            return "record { " + _some(fields) + " }"
        case Flags():
            return "flags { " + _some(list(found.labels)) + " }"
        case Variant():
            return _variant_type(found, depth)
        case Own():
            return f"{found.kind}<{found.resource}>"
    return found.kind


def _variant_type(found: Variant, depth: int) -> str:
    payloads = ["_" if kind is None else type_text(kind, depth + 1) for kind in found.payloads[:11]]
    if found.kind == "option":
        return f"option<{payloads[1]}>"
    if found.kind == "result":
        return "result" if payloads == ["_", "_"] else f"result<{', '.join(payloads)}>"
    pairs = zip(found.labels[:11], payloads, strict=True)
    cases = [label if payload == "_" else f"{label}({payload})" for label, payload in pairs]
    return f"{found.kind} {{ {_some(cases)} }}"


def _some(parts: list[str]) -> str:
    return ", ".join(parts[:10]) + (", ..." if len(parts) > 10 else "")


def signature_text(signature: FunctionType) -> str:
    """A function's type as WIT has it."""
    parameters = [f"{name}: {type_text(kind)}" for name, kind in zip(signature.names, signature.types, strict=True)]
    result = f" -> {type_text(signature.result)}" if signature.result else ""
    return f"func({_some(parameters)}){result}"


#: Values within a value from which on an example has empty lists and `none`; parts that it has at most.
_EXAMPLE_DEPTH, _MOST_PARTS = 3, 300


def example(wanted: ValueType) -> str:
    """A value of that type; "..." where it would be very long."""
    parts: list[str] = []
    try:
        _example(wanted, 0, parts)
    except OverflowError:
        return "..."
    return "".join(parts)


def _example(wanted: ValueType, depth: int, parts: list[str]) -> None:
    if len(parts) > _MOST_PARTS:
        raise OverflowError
    match wanted:
        case List():
            parts.append("[")
            if depth < _EXAMPLE_DEPTH:
                _example(wanted.element, depth + 1, parts)
            parts.append("]")
        case Record():
            parts.append("(" if wanted.names is None else "{")
            for number, kind in enumerate(wanted.types):
                name = "" if wanted.names is None else f"{wanted.names[number]}: "
                parts.append(f"{', ' if number else ''}{name}")
                _example(kind, depth + 1, parts)
            parts.append(")" if wanted.names is None else "}")
        case Flags():
            parts.append("{" + wanted.labels[0] + "}")
        case Variant():
            number = 1 if wanted.kind == "option" and depth < _EXAMPLE_DEPTH else 0
            payload = wanted.payloads[number]
            parts.append(wanted.labels[number])
            if payload is not None:
                parts.append("(")
                _example(payload, depth + 1, parts)
                parts.append(")")
        case _:
            scalars = {"bool": "true", "char": "'c'", "string": '"text"', "f32": "0.5", "f64": "0.5"}
            parts.append(scalars.get(wanted.kind, "1"))


def has_handles(found: ValueType) -> bool:
    """Whether values of a type can hold handles, which can't be written."""
    return any(isinstance(kind, Own) for kind in types_within(found))


def types_within(found: ValueType) -> Iterator[ValueType]:
    """A type and all that its values are made of, each once: one type may stand in very many places."""
    todo, seen = [found], set[int]()
    while todo:
        kind = todo.pop()
        if id(kind) in seen:
            continue
        seen.add(id(kind))
        yield kind
        match kind:
            case List():
                todo.append(kind.element)
            case Record():
                todo += kind.types
            case Variant():
                todo += [payload for payload in kind.payloads if payload]
