"""Components of other tools, of the same program in JavaScript and in Python: made once, and kept in fixtures/real.

`prepare` fills a table, `ask` looks something up in it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.real import FOLDER, is_installed, manifest
from scripts.wizer_tools import componentize

WORLD = """package local:app;
world app {
  record item { name: string, price: f64 }
  export prepare: func(items: list<item>, factor: u32) -> result<u32, string>;
  export ask: func(name: string) -> option<f64>;
}"""

JAVASCRIPT = """let prices = new Map();
export function prepare(items, factor) {
  if (items.length === 0) throw "no items";
  for (const { name, price } of items) prices.set(name, price * factor);
  const squares = [...Array(5000).keys()].map(n => ({ n, square: n * n }));
  prices.set("square of 77", squares[77].square);
  return prices.size;
}
export function ask(name) { return prices.get(name); }"""

PYTHON = """import wit_world
from componentize_py_types import Err

prices = {}

class WitWorld(wit_world.WitWorld):
    def prepare(self, items, factor):
        if not items:
            raise Err("no items")
        for item in items:
            prices[item.name] = item.price * factor
        squares = [{"n": n, "square": n * n} for n in range(5000)]
        prices["square of 77"] = float(squares[77]["square"])
        return len(prices)

    def ask(self, name):
        return prices.get(name)
"""

#: The initializer, and what calls of `ask` return after it.
CALL = 'prepare([{name: "tea", price: 1.5}, {name: "scones", price: 4}], 3)'
ANSWERS = {"tea": "some(4.5)", "square of 77": "some(5929)", "milk": "none"}

#: Where the components are kept.
MADE = FOLDER / "components"
_NAMES = {"javascript": JAVASCRIPT, "python": PYTHON}


def path_of(language: str) -> Path:
    """Where that component lies, if it was made by the tool of today from the source of today."""
    pins = manifest()["componentize-py"]["version"] if language == "python" else manifest()["starlingmonkey"]["version"]
    digest = hashlib.sha256("\n".join((WORLD, _NAMES[language], pins)).encode()).hexdigest()
    return MADE / f"{language}-{digest[:16]}.wasm"


def make(language: str) -> Path:
    """The component, made if it is not there. Raises `RuntimeError` where the tool is not there, or fails."""
    target = path_of(language)
    if target.exists():
        return target
    MADE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MADE) as temporary:
        folder = Path(temporary)
        (folder / "app.wit").write_text(WORLD)
        made = folder / "app.wasm"
        if language == "python":
            _python(folder, made)
        else:
            _javascript(folder, made)
        made.replace(target)
    return target


def _javascript(folder: Path, output: Path) -> None:
    if not is_installed("wizer-tools"):
        raise RuntimeError("`scripts/fetch_real wizer-tools` installs what makes components of JavaScript")
    (folder / "app.js").write_text(JAVASCRIPT)
    componentize(folder / "app.js", folder / "app.wit", output, None)


def _python(folder: Path, output: Path) -> None:
    package = FOLDER / "componentize-py"
    if not (package / "componentize_py" / "__init__.py").exists():
        raise RuntimeError("`scripts/fetch_real componentize-py` fetches what makes components of Python")
    (folder / "app.py").write_text(PYTHON)
    code = f"import sys; sys.path.insert(0, {str(package)!r}); from componentize_py import script; script()"
    arguments = ("-d", "app.wit", "-w", "app", "componentize", "app", "-o", str(output))
    # What the component sees of the build's variables would make it another one each time.
    environment = {"PATH": os.environ["PATH"], "TMPDIR": tempfile.gettempdir()}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
