"""The JSON schema of job files. Editors and `preinit schema --jobs` use schema.json, which has the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..options.tables import DIALECT, schema_of
from .keys import HEAD, JOB


def schema() -> dict[str, Any]:
    """The schema of a job file in TOML."""
    found = schema_of(HEAD)
    found["properties"]["job"] = {
        "type": "array",
        "description": HEAD["job"].description,
        "minItems": 1,
        "items": {**schema_of(JOB), "required": ["output"]},
    }
    return {"$schema": DIALECT, "title": "Jobs of preinit batch", **found, "required": ["job"]}


if __name__ == "__main__":
    text = json.dumps(schema(), indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text, encoding="utf-8")
