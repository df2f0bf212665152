"""The same traces, in Node."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.pausing.traces import MOST

_SCRIPT = """
import { readFileSync } from 'node:fs';
const [most, files] = JSON.parse(readFileSync(0));
const answer = (n) => ((Math.imul(n, 0x9e3779b1) >>> 0) >>> 7) % 97 - 20;
const traces = files.map(([file, done]) => {
  const told = [];
  const tick = (number) => {
    told.push(number);
    if (done + told.length > most) throw 'enough';
    return answer(done + told.length);
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), { t: { tick } });
  try { instance.exports._start(); told.push('returned'); }
  catch (problem) { told.push(problem === 'enough' ? 'enough' : 'trapped:'); }
  return told;
});
console.log(JSON.stringify(traces));
"""


def node_traces(outputs: Sequence[tuple[bytes, int]]) -> list[list[object]]:
    """What each output tells `t.tick`, after so many calls that were made before it was paused; one process for all."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, (binary, done) in enumerate(outputs):
            path = Path(folder) / f"{number}.wasm"
            path.write_bytes(binary)
            files.append((str(path), done))
        script = Path(folder) / "traces.mjs"
        script.write_text(_SCRIPT, encoding="utf-8")
        told = subprocess.run(
            ["node", str(script)], input=json.dumps([MOST, files]), capture_output=True, text=True, check=True
        )
    traces: list[list[object]] = json.loads(told.stdout)
    return traces
