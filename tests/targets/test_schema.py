"""The schema for editors says what the loader does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from preinit.batch.keys import HEAD, JOB
from preinit.batch.schema import schema as job_schema
from preinit.errors import ConfigError
from preinit.options.entries import VERIFY
from preinit.options.kinds import Wrong
from preinit.options.tables import Key, all_options
from preinit.targets import load
from preinit.targets.keys import COMMON, NAME, TARGET
from preinit.targets.schema import schema
from tests.support.schemas import accepts

FILES = 'input = "in.wasm"\noutput = "out.wasm"\n'


def refused(tmp_path: Path, text: str | bytes, name: str = "preinit.toml") -> ConfigError:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value.where)
    assert caught.value.exit_code == 2
    return caught.value


SAMPLES: list[Any] = [
    True, False, 0, 1, -1, 1.5, -0.5, 10**20, "", "x", "x/", "..", "none", "auto", "noop", "keep", "size", "few", "whole", "winch",
    "host", "fixed", "deny", "seed:7", "seed:-1", "seed:", "epoch:5", "epoch:-5", "epoch:x", "1MiB", " 2 g ", "64 kb",
    "1XB", "-1", "a\0b", "a\nb", [], ["a"], ["a", "b"], [""], [1], [["a"]], ["a\0"], {}, {"a": "b"}, {"a": ""},
    {"a": 1}, {"a": 1.5}, {"a": True}, {"": "b"}, {"a": {}}, {"a": ["b"]}, {"no-such": 1}, {"env": {"A": "b"}},
    {"max-size": 3}, {"max-size": "3k"}, {"max-segments": -1}, {"clock": "host"}, {"writable": 1}, {"calls": ["a"]}, {"run": 1},
]  # fmt: skip


def properties(rule: dict[str, Any]) -> dict[str, Any]:
    """The keys of a table, or of a table that stands next to something else."""
    found: dict[str, Any] = next(r for r in [rule, *rule.get("anyOf", [])] if "properties" in r)["properties"]
    return found


def rules_of_targets() -> dict[str, Any]:
    found: dict[str, Any] = schema()["properties"]["targets"]["additionalProperties"]["properties"]
    return found


def rules_of_jobs() -> dict[str, Any]:
    found: dict[str, Any] = job_schema()["properties"]["job"]["items"]["properties"]
    return found


@pytest.mark.parametrize(
    ("keys", "rules", "name"),
    [
        *((TARGET, rules_of_targets(), name) for name in TARGET),
        *((JOB, rules_of_jobs(), name) for name in JOB),
        *((HEAD, job_schema()["properties"], name) for name in ("input", "output-dir")),
    ],
)
def test_the_schema_and_the_loader_agree_on_each_key(keys: dict[str, Key], rules: dict[str, Any], name: str) -> None:
    nested = VERIFY if name == "verify" else {}
    cases = [(keys[name], rules[name]), *((key, properties(rules[name])[inner]) for inner, key in nested.items())]
    for key, rule in cases:
        taken = 0
        for value in SAMPLES:
            try:
                key.kind.read(value, (name,))
                fits = True
            except Wrong:
                fits = False
            assert accepts(rule, value) == fits, (name, value)
            taken += fits
        assert 0 < taken < len(SAMPLES)
        assert len(rule["description"]) > 10


def test_the_schema_has_the_loader_s_keys_and_names() -> None:
    rules = schema()["properties"]
    assert set(rules["targets"]["additionalProperties"]["properties"]) == set(TARGET)
    assert set(rules["defaults"]["properties"]) == set(COMMON)
    assert rules["targets"]["propertyNames"]["pattern"] == f"^{NAME}$"
    good = {"targets": {"a": {"input": "x", "output": "y"}}, "defaults": {"strict": True}}
    assert accepts(schema(), good)
    for bad in ({}, {"targets": {}}, {"targets": {"a b": {"output": "y"}}}, {**good, "x": 1}, {"targets": {"a": {}}}):
        assert not accepts(schema(), bad)


def test_the_file_with_the_schema_is_what_the_keys_say() -> None:
    import preinit.batch
    import preinit.targets

    text = (Path(preinit.targets.__file__).parent / "schema.json").read_text()
    assert text == json.dumps(schema(), indent=2) + "\n", "write it anew: python -m preinit.targets.schema"
    text = (Path(preinit.batch.__file__).parent / "schema.json").read_text()
    assert text == json.dumps(job_schema(), indent=2) + "\n", "write it anew: python -m preinit.batch.schema"


def test_job_files_have_the_keys_of_targets_but_for_what_all_jobs_share() -> None:
    assert set(rules_of_jobs()) == set(TARGET) - {"input"} - {o.key for o in all_options().values() if o.compiled}
    for name, rule in rules_of_jobs().items():
        assert rule == rules_of_targets()[name]
    good = {"input": "x", "output-dir": "y", "defaults": {"engine": "whole"}, "job": [{"output": "z"}]}
    assert accepts(job_schema(), good)
    for bad in ({}, {**good, "job": []}, {**good, "job": [{}]}, {**good, "job": [{"output": "z", "engine": "whole"}]}):
        assert not accepts(job_schema(), bad)
