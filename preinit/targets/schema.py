"""The JSON schema of the config file. Editors and `preinit schema` use schema.json, which has the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..options.tables import DIALECT, schema_of
from .keys import COMMON, NAME, TARGET


def schema() -> dict[str, Any]:
    """The schema of preinit.toml, and of the table `tool.preinit` of pyproject.toml."""
    return {
        "$schema": DIALECT,
        "title": "Targets of preinit: preinit.toml, or [tool.preinit] in pyproject.toml",
        "type": "object",
        "additionalProperties": False,
        "required": ["targets"],
        "properties": {
            "defaults": {
                **schema_of(COMMON),
                "description": "What holds for each target that does not say otherwise; tables are merged.",
            },
            "targets": {
                "type": "object",
                "description": "What to build, by name.",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{NAME}$"},
                "additionalProperties": {**schema_of(TARGET), "required": ["output"]},
            },
        },
    }


if __name__ == "__main__":
    text = json.dumps(schema(), indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text, encoding="utf-8")
