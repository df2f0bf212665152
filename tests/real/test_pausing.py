"""Languages as their vendors ship them, paused in the middle of a script."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import wasmtime

from preinit import Result, build, verify
from preinit.options import Host
from preinit.serve.application import Application
from preinit.serve.settings import Settings
from scripts.real import FIXTURES, FOLDER
from tests.support.pausing.running import run_command
from tests.support.worlds import in_node, in_wasmtime

pytestmark = pytest.mark.real

CGI = """\
import sys, json, re, decimal, datetime, urllib.parse, html
table = {n: [d for d in range(1, n) if n % d == 0] for n in range(60)}
body = sys.stdin.readline()
sys.modules.pop("posix"); import posix
query = urllib.parse.parse_qs(posix.environ.get(b"QUERY_STRING", b"").decode())
answer = f"{len(table)} {query} {html.escape(body.strip())} {sys.argv[1:]}\\n"
print(f"Content-Type: text/plain\\nContent-Length: {len(answer)}\\n\\n{answer}", end="", flush=True)
"""

#: In a generator that waits for input.
ASKED = (FIXTURES / "pausing" / "asked.py").read_text(encoding="utf-8")

SCRIPT = """\
let table = {}; for (let i = 0; i < 2000; i++) table["k" + i] = i * i;
let line = std.in.getline();
print(line, Object.keys(table).length, std.getenv("QUERY_STRING"), scriptArgs.join(","));
"""


def path_of(name: str, file: str) -> str:
    path = FOLDER / name / file
    if not path.exists():
        pytest.skip(f"scripts/fetch_real {name} fetches this module")
    return str(path)


def paused(module: str, tmp_path: Path, script: str, args: tuple[str, ...], **more: object) -> Result:
    (tmp_path / "app").mkdir(exist_ok=True)
    (tmp_path / "app" / args[-1].rpartition("/")[2]).write_text(script)
    dirs = {str(tmp_path / "app"): "/app"}
    return build(module, pause_at="stdin", args=args, dirs=dirs, cache=False, **more)  # type: ignore[arg-type]


def test_python_answers_requests_of_its_own(tmp_path: Path) -> None:
    args = ("python", "/app/cgi.py")
    result = paused(path_of("python", "python.wasm"), tmp_path, CGI, args)
    assert result.report.pause and len(result.report.pause.frames) > 20
    (tmp_path / "ready.wasm").write_bytes(result.wasm)
    application = Application(str(tmp_path / "ready.wasm"), Settings(args=args, dirs={str(tmp_path / "app"): "/app"}))
    try:
        for word in ("one", "two"):
            said: list[str] = []
            environ = {
                "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": f"q={word}", "SERVER_PROTOCOL": "HTTP/1.1",
                "CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"<hi>\n"),
            }  # fmt: skip
            body = b"".join(application(environ, lambda status, fields: said.append(status)))  # noqa: B023
            assert (said, body.decode()) == (["200 OK"], f"60 {{'q': ['{word}']}} &lt;hi&gt; []\n")
    finally:
        application.close()


def test_python_is_paused_to_the_same_bytes_however_it_is_compiled(tmp_path: Path) -> None:
    module, args = path_of("python", "python.wasm"), ("python", "/app/cgi.py")
    outputs = [paused(module, tmp_path, CGI, args, engine=engine).wasm for engine in ("whole", "ondemand")]
    assert outputs[0] == outputs[1]


def test_quickjs_sees_what_its_instance_is_given(tmp_path: Path) -> None:
    result = paused(path_of("qjs", "quickjs.wasm"), tmp_path, SCRIPT, ("qjs", "--std", "/app/q.js"))
    dirs = [(str(tmp_path / "app"), "/app")]
    with pytest.raises(wasmtime.ExitTrap) as ended:
        in_wasmtime(result.wasm, {}, ("qjs",), dirs=dirs)
    assert ended.value.code == 64
    large = {f"N{number}": "x" * 300 for number in range(199)} | {"QUERY_STRING": "y" * 60_000}
    for run, variables in (
        (in_wasmtime, {"QUERY_STRING": "x=1"}),
        (in_wasmtime, large),
        (in_node, {}),
        (in_node, large),
    ):
        said = run(result.wasm, variables, ("qjs", "--std", "/app/q.js"), dirs=dirs, stdin=b"hello\n")
        assert said == f"hello 2000 {variables.get('QUERY_STRING', 'undefined')} /app/q.js\n"


def test_quickjs_does_what_it_would_have_done(tmp_path: Path) -> None:
    module, args = path_of("qjs", "quickjs.wasm"), ("qjs", "--std", "/app/q.js")
    result = paused(module, tmp_path, SCRIPT, args)
    host = Host(args=args, dirs={str(tmp_path / "app"): "/app"}, stdin=b"again\n", env={"QUERY_STRING": "y=2"})
    options = {"pause_at": "stdin", "args": args, "dirs": {str(tmp_path / "app"): "/app"}, "cache": False}
    found = verify(module, result.wasm, run=True, call_host=host, call_timeout=60, **options)  # type: ignore[arg-type]
    assert [call.outcome for call in found.calls] == ["returned"]


def test_micropython_goes_on_inside_of_a_generator(tmp_path: Path) -> None:
    args = ("micropython", "/app/g.py")
    result = paused(path_of("micropython", "micropython.wasm"), tmp_path, ASKED, args)
    assert result.report.pause and len(result.report.pause.frames) > 15
    dirs = [(str(tmp_path / "app"), "/app")]
    ended = run_command(result.wasm, b"a\nb\n", {}, args, dirs, traps=True)
    assert ended.output == "0 A\n1 B\nclosed\n"
