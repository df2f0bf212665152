"""An output of a capture in a page of a real browser, in the same glue."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import preinit
from tests.support.browser import launched, needs_browser
from tests.support.glue import needs_node
from tests.support.places import ROOT

pytestmark = [needs_node, needs_browser, pytest.mark.real]

BUILT = ROOT / "fixtures/glue"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_given: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a browser finds the files of the folder, on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


#: What a page, and the script of the capture, do with a program.
WORDS = """
var prepare = (m) => { m.FS.writeFile("/data.txt", "a line of a file"); m._prepare(20); };
var answer = (m) => ["key7", "key1999", "none"].map((key) => m.ccall("answer", "string", ["string"], [key]));
"""
SHAPES = """
var prepare = (m) => { m.prepare(1000); };
var answer = (m) => [m.prepared().at(999), m.norm({ x: 3, y: 4 }), m.describe({ a: "b" }).got, m.VERSION, m.registered];
"""


@pytest.mark.parametrize(
    ("name", "steps", "replay"),
    [("words-O3", WORDS, []), ("shapes", SHAPES, ["js_register", "emscripten_asm_const_int"])],
)
def test_an_output_is_loaded_by_the_same_glue_in_a_browser(
    tmp_path: Path, browser: Any, address: str, name: str, steps: str, replay: list[str]
) -> None:
    for end in ("js", "wasm"):
        shutil.copy(BUILT / f"{name}.{end}", tmp_path)
    (tmp_path / "steps.js").write_text(steps)
    script = f'delete globalThis.fetch;\n{steps}\nconst load = () => require("./{name}.js")({{ print() {{}} }});\n'
    (tmp_path / "prepare.cjs").write_text(script + "module.exports = { load, prepare, answer };")
    html = f'<!doctype html><link rel="icon" href="data:,"><script src="{name}.js"></script><script src="steps.js"></script>'
    (tmp_path / "page.html").write_text(html)
    page = browser.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{address}/page.html")
    original = page.evaluate("async () => { const m = await Module({ print() {} }); prepare(m); return answer(m); }")
    result = preinit.capture(tmp_path / f"{name}.wasm", tmp_path / "prepare.cjs", replay=replay)
    (tmp_path / f"{name}.wasm").write_bytes(result.wasm)
    page.goto(f"{address}/page.html?again")
    assert page.evaluate("async () => answer(await Module({ print() {} }))") == original
    assert said == []
    page.close()
