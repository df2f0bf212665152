"""What SpiderMonkey leaves in memory, with wizer and with preinit-wizer: how large the outputs of ten scripts are.

How much garbage is left depends on the clock that its collector reads: wizer gives it the machine's, so that its
outputs differ from run to run, and from machine to machine. Each script is one kind of work.
"""

from __future__ import annotations

import gzip
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from wizer_tools import WIZERS, componentize, preinit_wizer

WORLD = "package local:app; world app { export answer: func() -> string; }"
ANSWER = "\nexport function answer() { return String(out); }\n"

SCRIPTS = {
    "a small table": "const out = [...Array(100).keys()].map(n => n * n)[12];",
    "900,000 objects that die young": """
const words = {};
for (let i = 0; i < 300000; i++) {
  const word = 'key' + (i % 1000); words[word] = (words[word] || 0) + 1; [1, 2, 3].map(x => ({x, i}));
}
const out = Object.keys(words).length;""",
    "a document parsed ten times": """
const text = JSON.stringify(Array.from({length: 20000}, (_, i) => ({i, s: 'x'.repeat(i % 50)})));
let out = 0; for (let k = 0; k < 10; k++) out += JSON.parse(text).length;""",
    "lists and regular expressions": """
const cells = []; let head = null, hits = 0;
for (let i = 0; i < 100000; i++) {
  head = {k: i, next: i % 1000 ? head : null, data: [i, i + 1]}; if (i % 200 === 0) cells.push(head.data);
}
for (let i = 0; i < 5000; i++)
  for (const m of ('abc' + i + ' def' + i * 2).matchAll(/([a-z]+)(\\d+)/g)) hits += m.length;
const out = cells.length + hits;""",
    "small documents there and back": """
let words = [];
for (let i = 0; i < 20000; i++) {
  words.push(JSON.parse(JSON.stringify({id: i, name: 'n' + i, tags: [i % 7, i % 11, String(i * 31)]})).name);
}
words = words.slice(0, 100); const out = words.length;""",
    "a large document that stays": """
globalThis.text = JSON.stringify(Array.from({length: 60000}, (_, i) =>
  ({id: i, name: 'user' + i, tags: [i % 7, 'a' + i % 13], nested: {x: i, y: i * 2}})));
globalThis.data = JSON.parse(globalThis.text); const out = globalThis.data.length;""",
    "maps and sets": """
const map = new Map(), set = new Set();
for (let i = 0; i < 50000; i++) {
  map.set('k' + i, {i, v: new Uint8Array(8)}); if (i % 2) set.add(i * 3); if (i > 10000) map.delete('k' + (i - 10000));
}
const out = map.size + set.size;""",
    "routes compiled and copied": """
const routes = Array.from({length: 2000}, (_, i) => ({path: '/r' + i, methods: ['GET', 'POST'], handler: 'h' + i}));
const trie = {};
for (const route of routes) { let node = trie; for (const c of route.path) node = node[c] ??= {}; node.route = route; }
let out = 0; for (let i = 0; i < 500; i++) out += JSON.parse(JSON.stringify(routes)).length;""",
    "a queue of closures": """
let out = 0; const queue = [];
for (let i = 0; i < 40000; i++) {
  queue.push({i, job: () => i, tags: new Set([i % 3, i % 5])}); if (queue.length > 500) out += queue.shift().job() & 1;
}""",
    "rows grouped and sorted": """
const rows = Array.from({length: 30000}, (_, i) => ({id: i, city: 'c' + i % 97, value: i * 1.5}));
const groups = rows.reduce((all, row) => { (all[row.city] ??= []).push(row); return all; }, {});
globalThis.sums = Object.entries(groups).map(([city, list]) =>
  ({city, total: list.reduce((n, row) => n + row.value, 0), ids: list.map(row => row.id.toString(36))}));
const out = globalThis.sums.sort((a, b) => b.total - a.total).length;""",
}


class Sizes(NamedTuple):
    raw: int
    compressed: int


def _sizes(source: Path, world: Path, wizer: Path | None, output: Path) -> Sizes:
    componentize(source, world, output, wizer)
    data = output.read_bytes()
    return Sizes(len(data), len(gzip.compress(data, 6)))


def _columns(what: str, ours: int, theirs: list[int]) -> dict[str, float]:
    median = statistics.median(theirs)
    found = {f"{what}_bytes": ours, f"{what}_wizer_bytes": round(median), f"{what}_least_bytes": min(theirs)}
    return found | {f"{what}_most_bytes": max(theirs), f"{what}_larger_percent": 100 * (ours / median - 1)}


def tables(rounds: int = 3) -> dict[str, list[dict[str, Any]]]:
    """Our sizes, wizer's medians and ranges of so many runs, and by how much ours is larger."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ours, world, source = preinit_wizer(folder / "preinit-wizer"), folder / "app.wit", folder / "app.js"
        world.write_text(WORLD)
        for name, text in SCRIPTS.items():
            source.write_text(text.strip() + ANSWER)
            own = _sizes(source, world, ours, folder / "ours.wasm")
            runs = [_sizes(source, world, WIZERS["componentize-js"], folder / "theirs.wasm") for _ in range(rounds)]
            row: dict[str, Any] = {"script": name}
            for what, mine, theirs in zip(("raw", "gzip"), own, zip(*runs, strict=True), strict=True):
                row |= _columns(what, mine, list(theirs))
            rows.append(row)
    return {"sizes": rows}
