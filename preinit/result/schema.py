"""The JSON schema of the report, made of the types of its values."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from ..errors import Frame
from .values import REPORT_VERSION, Report

#: https://json-schema.org/specification-links#draft-7 , the one that editors know.
_DIALECT = "http://json-schema.org/draft-07/schema#"

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}]},  # JSON lacks these
    type(None): {"type": "null"},
}


def schema() -> dict[str, Any]:
    """The schema of what `build --report` writes: of a build, or of one that failed."""
    version = {"enum": [REPORT_VERSION]}
    built = _rule(Report)
    built["properties"]["version"] = version
    error = {
        "type": "object",
        "required": ["code", "what", "where", "hint", "frames", "frames_cut"],
        "properties": {
            "code": {"type": "string"},
            "what": {"type": "string"},
            "where": _rule(str | None),
            "hint": _rule(str | None),
            "frames": {"type": "array", "items": _rule(Frame)},
            "frames_cut": {"type": "boolean"},
        },
    }
    failed = {
        "type": "object",
        "required": ["version", "preinit", "error"],
        "properties": {"version": version, "preinit": {"type": "string"}, "error": error},
    }
    return {"$schema": _DIALECT, "title": "Report of a build by preinit", "anyOf": [built, failed]}


def _rule(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind is Any:
        return {}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_rule(argument) for argument in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _rule(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _rule(arguments[1])}
    hints = typing.get_type_hints(kind)
    if is_dataclass(kind):
        needed = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
    else:  # a named tuple, which is written whole
        needed = list(hints)
    # Later versions of preinit may say more.
    return {"type": "object", "required": needed, "properties": {name: _rule(hint) for name, hint in hints.items()}}
