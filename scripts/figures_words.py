"""Figures within sentences of README.md and docs/: short words, made of docs/figures.json."""

from __future__ import annotations

from collections.abc import Callable

from scripts.figures_file import Figures, MissingFigure
from scripts.figures_format import megabytes, milliseconds, percent, seconds, whole
from scripts.figures_tables import BINARYEN, OURS, SUCCESSOR, WIZER, right, with_and_without

Word = Callable[[Figures], str]


def build(column: str, module: str, tool: str, cache: str = "cold") -> Word:
    """Of scripts/bench_peers, with its unit."""

    def written(figures: Figures) -> str:
        value = figures.value("peers", "builds", column, module=module, tool=tool, cache=cache)
        return f"{seconds(value)} s" if column.endswith("_s") else f"{whole(value)} MiB"

    return written


def rounds(figures: Figures) -> str:
    """How often each module was built: one number, or one for each."""
    found = {row["module"]: row["rounds"] for row in figures.rows("peers", "builds") if row.get("rounds")}
    if len(set(found.values())) == 1:
        return str(next(iter(found.values())))
    return ", ".join(f"{count} for {module}" for module, count in found.items())


def in_a_program(figures: Figures) -> str:
    """The time of a build in a process that has built: with and without a cache."""
    rows = [row for row in figures.rows("peers", "library") if row.get("cache")]
    if not rows:
        raise MissingFigure("peers has no builds in a program: run scripts/bench_all peers")
    times = sorted({f"{row['median_ms']:.0f}" for row in rows}, key=int)
    return f"{' to '.join((times[0], times[-1]) if len(times) > 1 else times)} ms"


def right_of_all(figures: Figures) -> str:
    rows = figures.rows("shapes", "shapes")
    counted = {tool: right(rows, tool) for tool in (OURS, WIZER, SUCCESSOR, BINARYEN)}
    binaryen = figures.measured("shapes").tools.get("binaryen", "")
    return (
        f"preinit gets {counted[OURS]} right, wizer {counted[WIZER]}, `wasmtime wizer` {counted[SUCCESSOR]}, "
        f"`wasm-ctor-eval` (Binaryen {binaryen}) {counted[BINARYEN]}"
    )


def count_of(benchmark: str) -> Word:
    return lambda figures: str(len(figures.rows(benchmark, "shapes")))


def more_compressed(figures: Figures) -> str:
    """CPython's output with gzip: how much larger ours is."""
    ours, theirs = (
        figures.value("peers", "builds", "gzip_bytes", module="cpython", tool=tool, cache="cold")
        for tool in (OURS, SUCCESSOR)
    )
    change = 100 * (ours / theirs - 1)
    return f"{percent(abs(change))} {'larger' if change >= 0 else 'smaller'}"


def our_data(figures: Figures) -> int:
    """Of CPython's output with the layout `gzip`: bytes of the data section alone, with gzip."""
    return int(figures.value("layouts", "layouts", "data_gzip_bytes", module="cpython", layout="gzip"))


def their_data(figures: Figures) -> int:
    """The same of `wasmtime wizer`."""
    return int(figures.value("layouts", "peers", "data_gzip_bytes", module="cpython", tool=SUCCESSOR))


def data_less(figures: Figures) -> str:
    change = 100 * (1 - our_data(figures) / their_data(figures))
    return f"{percent(abs(change))} {'less' if change >= 0 else 'more'}"


def code_and_names(figures: Figures) -> str:
    """The part of CPython's compressed output that is no data."""
    whole_file = figures.value("peers", "builds", "gzip_bytes", module="cpython", tool=SUCCESSOR, cache="cold")
    return f"{100 * (1 - their_data(figures) / whole_file):.0f}%"


def step(column: str) -> Word:
    """preinit-wizer's part of what wizer takes, in the tool where that is the most."""

    def written(figures: Figures) -> str:
        parts = []
        for tool in ("componentize-js", "js-compute"):
            ours, theirs = with_and_without(figures, tool)
            parts.append(ours[column] / theirs[column])
        return f"{max(parts):.2f}"

    return written


def memory(moment: str) -> Word:
    """Of the server of `cgi`."""
    return lambda figures: f"{figures.value('serve', 'many requests', f'memory_{moment}_mb', program='cgi'):.1f} MB"


def on_that_machine(figures: Figures) -> str:
    row = figures.row("serve_runtimes", "a request", program="cgi")
    return f"{milliseconds(row['before_ms'])} ms and {milliseconds(row['after_ms'])} ms"


def times_of_wizer(column: str) -> Word:
    return lambda figures: whole(figures.value("builder", "ratios", column))


def capture_range(what: str) -> Word:
    def written(figures: Figures) -> str:
        row = figures.row("capture", "range")
        return f"{row[f'{what}_least']:.0f} to {row[f'{what}_most']:.0f}"

    return written


def inspected(what: str, page: bool = False) -> Word:
    def written(figures: Figures) -> str:
        if page:
            row = figures.row("inspect", "inspect", module="cpython", what="the same as a page")
            return f"{row['page_bytes'] / 1e3:.0f} kB"
        row = figures.row("inspect", "inspect", module="cpython", what=what)
        return f"{megabytes(row['bytes'])}, takes {row['wall_s']:.1f} s and {whole(row['peak_mib'])} MiB"

    return written


def functions(column: str) -> Word:
    """Of CPython: how many there are, how many of them a build compiles."""
    return lambda figures: f"{figures.value('functions', 'functions', column, module='cpython'):,}"


def second_build(figures: Figures) -> str:
    cold, warm = (
        figures.value("peers", "builds", "wall_s", module="cpython", tool=OURS, cache=cache)
        for cache in ("cold", "warm")
    )
    return f"{warm / cold:.2f}"


WORDS: dict[str, Word] = {
    "peers.rounds": rounds,
    "peers.library": in_a_program,
    "peers.tiny": build("wall_s", "tiny", OURS),
    "peers.tiny.memory": build("peak_mib", "tiny", OURS),
    "peers.tiny.wizer": build("wall_s", "tiny", WIZER),
    "peers.javy.again": build("wall_s", "javy", OURS, "warm"),
    "peers.javy.wizer.again": build("wall_s", "javy", SUCCESSOR, "warm"),
    "peers.cpython.gzip": more_compressed,
    "peers.cpython.again": second_build,
    "layouts.gzip": lambda figures: whole(our_data(figures)),
    "layouts.wizer": lambda figures: whole(their_data(figures)),
    "layouts.less": data_less,
    "layouts.code": code_and_names,
    "shapes.right": right_of_all,
    "shapes.count": count_of("shapes"),
    "component_shapes.count": count_of("component_shapes"),
    "wizer_tools.cpu": step("cpu_s"),
    "wizer_tools.memory": step("peak_mib"),
    "serve.memory.before": memory("before"),
    "serve.memory.after": memory("after"),
    "serve_runtimes.cgi": on_that_machine,
    "builder.time": times_of_wizer("wall"),
    "builder.cpu": times_of_wizer("cpu"),
    "capture.range": capture_range("capture"),
    "capture.proof": capture_range("proof"),
    "inspect.input": inspected("the input"),
    "inspect.output": inspected("the output against it"),
    "inspect.page": inspected("", page=True),
    "functions.all": functions("functions"),
    "functions.compiled": functions("compiled"),
}


def word(figures: Figures, name: str) -> str | None:
    """What stands for a name: one of `WORDS`, or `BENCHMARK.about`, `BENCHMARK.setting.NAME`, `BENCHMARK.tool.NAME`."""
    if name in WORDS:
        return WORDS[name](figures)
    match name.split("."):
        case [benchmark, "about"]:
            return figures.measured(benchmark).about
        case [benchmark, "setting" as kind, key] | [benchmark, "tool" as kind, key]:
            measured = figures.measured(benchmark)
            found = measured.settings if kind == "setting" else measured.tools
            if key not in found:
                raise MissingFigure(f"{benchmark} has no {kind} {key!r}: run scripts/bench_all {benchmark}")
            return f"{found[key]:,}" if isinstance(found[key], int) else str(found[key])
    return None
