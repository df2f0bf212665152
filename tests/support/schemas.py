"""JSON schemas: whether one accepts a value."""

from __future__ import annotations

import re
from typing import Any


def accepts(rule: Any, value: Any) -> bool:
    """Whether a JSON schema, of the words that ours uses, accepts a value."""
    types = {
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    if isinstance(rule, bool):
        return rule
    assert set(rule) <= {
        "type", "enum", "pattern", "anyOf", "items", "properties", "additionalProperties", "propertyNames",
        "required", "minProperties", "minItems", "minimum", "maximum", "exclusiveMinimum", "description", "title", "$schema",
    }  # fmt: skip
    if "type" in rule:
        wanted = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        if not any(isinstance(value, types[w]) and isinstance(value, bool) == (w == "boolean") for w in wanted):
            return False
    if "enum" in rule and not any(type(value) is type(choice) and value == choice for choice in rule["enum"]):
        return False
    if "anyOf" in rule and not any(accepts(choice, value) for choice in rule["anyOf"]):
        return False
    if isinstance(value, str) and "pattern" in rule and not re.search(rule["pattern"].replace("$", r"\Z"), value):
        return False
    if "minimum" in rule and value < rule["minimum"]:
        return False
    if "maximum" in rule and value > rule["maximum"]:
        return False
    if "exclusiveMinimum" in rule and value <= rule["exclusiveMinimum"]:
        return False
    if isinstance(value, list) and "items" in rule:
        if len(value) < rule.get("minItems", 0):
            return False
        return all(accepts(rule["items"], item) for item in value)
    if isinstance(value, dict):
        properties = rule.get("properties", {})
        return (
            len(value) >= rule.get("minProperties", 0)
            and all(name in value for name in rule.get("required", ()))
            and all(accepts(rule.get("propertyNames", True), name) for name in value)
            and all(accepts(properties.get(k, rule.get("additionalProperties", True)), v) for k, v in value.items())
        )
    return True
