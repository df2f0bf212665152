"""Answers are compared as texts: what a text would not show is refused, and what it shows is compared whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from preinit.errors import AnswerDiffers, ScriptFailed
from tests.support.glue import LOAD, NODE, captured, needs_node
from tests.support.places import PACKAGE

pytestmark = needs_node

#: Expressions, and what is said of them where they can't be compared.
ANSWERS = {
    "[1, -0, NaN, 10n, 'text', null, undefined, true]": None,
    "({ a: [{ b: new Map([[1, new Set(['x'])]]) }] })": None,
    "new Uint8Array(300)": None,
    "new BigInt64Array(2).buffer": None,
    "new Date(0)": None,
    "/a/g": None,
    "new Error('x').message": None,
    "[]": None,
    "({})": None,
    "Object.create(null)": None,
    "new (class Pair { a = 1; })()": None,
    "(() => { const a = [1]; a.push(a); return a; })()": None,
    "[() => 1]": "answer(program).0 is a function",
    "Symbol('x')": "answer(program) is a symbol",
    "[{ a: Promise.resolve(1) }]": "answer(program).0.a is a promise",
    "({ then() {} })": "answer(program) is a promise",
    "new Map([['f', () => 1]])": "what answer(program) holds is a function",
    "new Set([Promise.resolve()])": "what answer(program) holds is a promise",
    "new WeakMap()": "answer(program) is a WeakMap",
    "new WeakRef({})": "answer(program) is a WeakRef of which nothing is to be seen",
    "new WebAssembly.Memory({ initial: 1 })": "answer(program) is a Memory of which nothing is to be seen",
    "new (class Hidden { #a = 1; })()": "answer(program) is a Hidden of which nothing is to be seen",
    "({ get a() { return 1; } })": "answer(program).a is a getter",
    "new Proxy({}, {})": "answer(program) is a proxy",
    "(function* () {})()": "answer(program) is a generator",
}


def test_what_can_not_be_seen_is_refused_and_said_where_it_stands() -> None:
    tried = ", ".join(f"() => ({expression})" for expression in ANSWERS)
    program = f"""
import {{ textOf }} from {json.dumps((PACKAGE / "node/answers.mjs").as_uri())};
const said = (make) => {{ try {{ textOf(make()); return null; }} catch (problem) {{ return problem.message.split(",")[0]; }} }};
console.log(JSON.stringify([{tried}].map(said)));
"""
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert dict(zip(ANSWERS, json.loads(done.stdout), strict=True)) == ANSWERS


def test_an_answer_in_a_map_or_in_a_typed_array_is_compared_whole(tmp_path: Path) -> None:
    """The last of many bytes differs, that only JavaScript wrote."""
    script = LOAD + "const bytes = new Uint8Array(5000); export const prepare = () => { bytes[4999] = 7; };"
    with pytest.raises(AnswerDiffers, match="another answer"):
        captured(tmp_path, script + "export const answer = async () => new Map([['at', bytes]]);")
    with pytest.raises(ScriptFailed, match=r"in answer\(\): TypeError: what answer\(program\) holds is a promise"):
        captured(tmp_path, script + "export const answer = () => new Set([Promise.resolve(1)]);")
