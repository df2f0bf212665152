"""The tables of README.md and docs/ that have figures: which rows of docs/figures.json they show, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scripts.figures_file import Figures, MissingFigure, Row
from scripts.figures_format import best, megabytes, milliseconds, percent, seconds, table, whole

#: What modules, programs and works are called, by their names in the file.
MODULES = {
    "javy": "JavaScript engine (Javy), {size}",
    "ruby": "ruby.wasm, {size}",
    "cpython": "CPython with NumPy and SciPy, {size}",
    "tiny": "a tiny module, {size}",
}
SHORT = {"javy": "Javy", "ruby": "ruby.wasm", "cpython": "CPython"}
COMPONENTS = {"javascript": "JavaScript, {size}", "python": "Python, {size}, {modules} core modules"}
WORKS = {
    "sort (C)": "sorting with a comparison function (C)",
    "dispatch (C)": "16 small functions called through a table at random (C)",
    "large (C)": "large functions that return at once (C)",
    "recursion (C)": "recursion (C)",
    "JavaScript in Javy": "a JavaScript program in the JavaScript engine",
}
PROGRAMS = {
    "prolog": "SWI-Prolog",
    "php": "PHP",
    "micropython": "MicroPython",
    "lua": "Lua (wasmoon)",
    "sqlite": "SQLite (sql.js)",
    "oniguruma": "Oniguruma",
    "jq": "jq",
    "C++ -O1": "C++ -O1",
    "C++ -O3": "C++ -O3",
    "C++ IMPORTED_MEMORY": "C++ IMPORTED_MEMORY",
    "C++ MAIN_MODULE=2": "C++ MAIN_MODULE=2",
}

#: Of the shapes that scripts/bench_segments measures, those that show something, as (data, span, segments).
SEGMENTS = (
    (1, 12, 100), (1, 12, 1000), (1, 12, 20000), (8, 12, 20000), (1, 40, 1000), (19, 40, 1000), (19, 40, 20000),
    (21, 40, 1000), (21, 40, 20000), (12, 12, 1), (40, 40, 1),
)  # fmt: skip

OURS, WIZER, SUCCESSOR, BINARYEN = "preinit", "wizer", "wasmtime wizer", "wasm-ctor-eval"


# -- builds beside those of other tools --------------------------------------------------------------------------------


def with_version(figures: Figures, benchmark: str, tool: str) -> str:
    """A peer with the version that was measured."""
    version = figures.measured(benchmark).tools.get(tool, "")
    return f"{tool} {version}".strip()


def label(row: Row) -> str:
    return MODULES[row["module"]].format(size=megabytes(row["input_bytes"]))


def tools_of(figures: Figures, module: str) -> list[str]:
    """The tools in their order; each must be there."""
    for tool in (OURS, WIZER, SUCCESSOR):
        figures.row("peers", "builds", module=module, tool=tool, cache="cold")
    return [OURS, WIZER, SUCCESSOR]


def peers_summary(figures: Figures) -> str:
    rows = []
    for module in MODULES:
        found = [
            figures.row("peers", "builds", module=module, tool=tool, cache="cold") for tool in tools_of(figures, module)
        ]
        times = [seconds(row["wall_s"]) + " s" if "wall_s" in row else "refuses" for row in found]
        rows.append([label(found[0]), *best(times)])
    head = ["module", OURS, *(with_version(figures, "peers", tool) for tool in (WIZER, SUCCESSOR))]
    return table(head, rows)


def peers_builds(figures: Figures) -> str:
    head = ["module", "tool", "cold, s", "CPU, s", "peak, MiB", "warm, s", "output, bytes", "gzip -6"]
    lines = []
    for module in MODULES:
        columns: list[list[str]] = [[] for _ in head[2:]]
        names = []
        for tool in tools_of(figures, module):
            cold = figures.row("peers", "builds", module=module, tool=tool, cache="cold")
            names.append(with_version(figures, "peers", tool))
            if cold.get("refused"):
                cells = ["refuses", *[""] * (len(columns) - 1)]
            else:
                warm = (
                    ""
                    if tool == WIZER
                    else seconds(figures.value("peers", "builds", "wall_s", module=module, tool=tool, cache="warm"))
                )
                cells = [seconds(cold["wall_s"]), seconds(cold["cpu_s"]), whole(cold["peak_mib"]), warm]
                cells += [whole(cold["output_bytes"]), whole(cold["gzip_bytes"])]
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
        columns = [best(column) for column in columns]
        names[0] = f"**{names[0]}**" if columns[0][0].startswith("**") else names[0]
        labels = [label(figures.row("peers", "builds", module=module)), *[""] * (len(names) - 1)]
        lines += [list(line) for line in zip(labels, names, *columns, strict=True)]
    return table(head, lines, words=2)


def peers_ratios(figures: Figures) -> str:
    """preinit's figures divided by those of wizer, or of its successor where wizer refuses."""
    columns = []
    for module in SHORT:
        refused = figures.row("peers", "builds", module=module, tool=WIZER, cache="cold").get("refused")
        peer = SUCCESSOR if refused else WIZER
        columns.append((SHORT[module], figures.row("peers", "ratios", module=module, preinit="cold", peer=peer)))
    again = figures.row("peers", "ratios", module="cpython", preinit="warm", peer=SUCCESSOR)
    columns.append(("CPython, second build", again))
    rows = []
    for name, column in (("time", "wall"), ("CPU time", "cpu"), ("memory", "peak")):
        cells = [row.get(column) for _, row in columns]
        rows.append(
            [name, *("" if cell is None else f"{cell:.2f}" if cell >= 0.1 else f"{cell:.3f}" for cell in cells)]
        )
    return table(["", *(name for name, _ in columns)], rows)


def layouts(figures: Figures) -> str:
    rows = figures.rows("layouts", "layouts")
    names = list(dict.fromkeys(row["layout"] for row in rows))
    lines = []
    for layout in names:
        cells = [layout]
        for module in SHORT:
            found = [row for row in rows if row["layout"] == layout and row["module"] == module]
            by_peer = {row["peer"]: row for row in found}
            if not by_peer:
                raise MissingFigure(
                    f"layouts has no row of {module} with the layout {layout}: run scripts/bench_all layouts"
                )
            row = by_peer.get(WIZER) or by_peer[SUCCESSOR]
            cells += [f"{row['raw']:.3f}", f"{row['gzip']:.3f}"]
        lines.append(cells)
    return table(["layout", "Javy raw", "gzip", "Ruby raw", "gzip", "CPython raw", "gzip"], lines)


def component_builds(figures: Figures) -> str:
    winch = f"{SUCCESSOR}, Winch"
    shown = [
        (OURS, "off", OURS), (OURS, "changed", "preinit, second build, one byte of data changed"),
        (OURS, "changed code", "preinit, second build, one byte of code changed"), (SUCCESSOR, "off", SUCCESSOR),
        (winch, "off", f"{SUCCESSOR}, compiler Winch"),
    ]  # fmt: skip
    lines = []
    for component, called in COMPONENTS.items():
        rows = [
            figures.row("components", "builds", component=component, tool=tool, cache=cache) for tool, cache, _ in shown
        ]
        names = [name.replace(SUCCESSOR, with_version(figures, "components", SUCCESSOR)) for *_, name in shown]
        cpu, peak = [f"{row['cpu_s']:.1f}" for row in rows], [whole(row["peak_mib"]) for row in rows]
        for column in (cpu, peak):  # only builds without a cache are rivals
            rivals = [index for index, (_, cache, _) in enumerate(shown) if cache == "off"]
            for index, cell in zip(rivals, best([column[index] for index in rivals]), strict=True):
                column[index] = cell
        names[0] = f"**{names[0]}**" if cpu[0].startswith("**") else names[0]
        size = f"{rows[0]['input_bytes'] / 1e6:.1f} MB"
        labels = [called.format(size=size, modules=rows[0].get("core_modules")), *[""] * (len(shown) - 1)]
        lines += [list(line) for line in zip(labels, names, cpu, peak, strict=True)]
    return table(["component", "tool", "CPU, s", "peak, MiB"], lines, words=2)


def with_and_without(figures: Figures, tool: str) -> tuple[Row, Row]:
    """A tool that calls wizer: with preinit-wizer in its place, and as it is."""
    rows = figures.rows("wizer_tools", "tools", tool=tool)
    ours = figures.row("wizer_tools", "tools", tool=tool, program="preinit-wizer")
    theirs = [row for row in rows if row["program"] != ours["program"]]
    if not theirs:
        raise MissingFigure(f"wizer_tools has nothing of {tool} with wizer: run scripts/bench_all wizer_tools")
    return ours, theirs[0]


def wizer_tools(figures: Figures) -> str:
    columns = {
        "wall_s": "step, s", "cpu_s": "CPU, s", "peak_mib": "peak, MiB", "whole_s": "all, s", "again_s": "again, s",
        "again_cpu_s": "CPU, s", "output_bytes": "output, bytes", "gzip_bytes": "gzip -6",
    }  # fmt: skip
    lines = []
    for tool in ("componentize-js", "js-compute"):
        rows = with_and_without(figures, tool)
        cells = [
            best([f"{row[name]:.1f}" if name.endswith("_s") else whole(row[name]) for row in rows]) for name in columns
        ]
        names = [row["program"] for row in rows]
        names[0] = f"**{names[0]}**" if cells[1][0].startswith("**") else names[0]
        labels = [f"{tool} {rows[0]['version']}", ""]
        lines += [list(line) for line in zip(labels, names, *cells, strict=True)]
    return table(["tool", "program", *columns.values()], lines, words=2)


def wizer_sizes(figures: Figures) -> str:
    lines = []
    for row in figures.rows("wizer_sizes", "sizes"):
        cells = [whole(row[f"raw_{name}bytes"]) for name in ("", "wizer_", "least_", "most_")]
        larger = [row["raw_larger_percent"], row["gzip_larger_percent"]]
        more = [f"**{percent(part)}**" if part >= 0.1 else percent(part) for part in larger]
        lines.append([row["script"], cells[0], cells[1], f"{cells[2]} to {cells[3]}", *more])
    head = ["script", "output, bytes", "wizer, median", "wizer, range", "larger by", "gzip -6, larger by"]
    return table(head, lines)


def shapes(benchmark: str, heading: str, tools: Sequence[str]) -> Callable[[Figures], str]:
    def written(figures: Figures) -> str:
        rows = figures.rows(benchmark, "shapes")
        lines = [[row["shape"], *(verdict(row, tool) for tool in tools)] for row in rows]
        totals = [str(right(rows, tool)) for tool in tools]
        return table([heading, *tools], [*lines, [f"**right, of {len(rows)}**", *totals]], words=1 + len(tools))

    def verdict(row: Row, tool: str) -> str:
        if tool not in row:
            raise MissingFigure(f"{benchmark} has nothing of {tool}: run scripts/bench_all {benchmark}")
        return "**wrong**" if row[tool] == "wrong" else str(row[tool])

    return written


def right(rows: Sequence[Row], tool: str) -> int:
    return sum(row.get(tool) == "right" for row in rows)


# -- starts, requests, copies ------------------------------------------------------------------------------------------


def first_answers(figures: Figures) -> str:
    lines = [
        [row["module"], f"{row['before_ms']:.2f} ms", f"{row['after_ms']:.2f} ms", whole(row["times"])]
        for row in (figures.row("start", "first answer", module=module) for module in ("primes", "javy"))
    ]
    return table(["module", "from start to first answer, as it was", "pre-initialized", "times faster"], lines)


def by_hand(figures: Figures) -> str:
    lines = [
        [f"the {row['start']}", f"{row['by_hand_ms']:.3f} ms", f"{row['tool_ms']:.3f} ms", f"{row['ratio']:.2f}"]
        for row in (figures.row("by_hand", "start", start=side) for side in ("original", "output"))
    ]
    return table(["start of", "by hand", "`preinit bench`", "ratio"], lines)


def pause(heading: str) -> Callable[[Figures], str]:
    def written(figures: Figures) -> str:
        start, request = figures.row("pause", "start"), figures.row("pause", "request")
        times = [f"{milliseconds(start[name])} ms" for name in ("before_ms", "after_ms")]
        answered = f"a request to `preinit serve`, median of {request['requests']:,}"
        return table(
            [heading.format(rows=f"{start['rows']:,}"), "from its beginning", "paused"],
            [
                ["start in wasmtime to the end of the script, compiled before", *times],
                [answered, "-", f"{milliseconds(request['median_ms'])} ms"],
            ],
        )

    return written


def requests(figures: Figures) -> str:
    lines = [
        [row["program"], f"{row['before_ms']:.1f} ms", f"{row['after_ms']:.2f} ms", whole(row["times"])]
        for row in (figures.row("serve", "a request", program=name) for name in ("cgi", "lisp"))
    ]
    return table(["program", "median of a request, not pre-initialized", "snapshot", "times faster"], lines)


def runtimes(figures: Figures) -> str:
    lines, sent = [], 0
    for name in ("perl", "ruby"):
        row = figures.row("serve_runtimes", "a request", program=name)
        many = figures.row("serve_runtimes", "many requests", program=name)
        sent = many["requests"]
        memory = ", ".join(f"{many[column]:.1f} MB" for column in ("memory_before_mb", "memory_after_mb"))
        lines.append([name, f"{row['before_ms']:.1f} ms", f"{row['after_ms']:.2f} ms", whole(row["times"]), memory])
    head = ["program", "initializing", "median of a request, snapshot", "times faster"]
    return table([*head, f"memory before, after {sent:,} requests"], lines)


def copies(figures: Figures) -> str:
    lines = []
    shown = [(module, what) for module in ("cgi", "lisp", "javy", "ruby") for what in ("original", "output", "empty")]
    for row in (figures.row("copies", "copies", module=module, what=what) for module, what in shown):
        first = "" if row["first_byte_ms"] is None else f"{row['first_byte_ms']:.2f} ms"
        memory = ["" if row[name] is None else f"{whole(row[name])} KiB" for name in ("copy_kib", "called_kib")]
        lines.append(
            [row["module"], row["what"], whole(row["size_bytes"]), whole(row["copies_a_second"]), first, *memory]
        )
    head = ["module", "", "bytes", "copies a second", "first byte", "memory of a copy", "after its answer"]
    return table(head, lines, words=2)


def builder(figures: Figures) -> str:
    names = {"preinit.Builder": "`preinit.Builder`", "wizer": with_version(figures, "builder", WIZER)}
    lines = []
    for tool, name in names.items():
        row = figures.row("builder", "a snapshot", tool=tool)
        rate = row["a_second_and_core"]
        lines.append(
            [name, f"{row['wall_s']:.3f}", f"{row['cpu_s']:.3f}", whole(rate) if rate >= 10 else f"{rate:.1f}"]
        )
    return table(["", "s a snapshot", "CPU s a snapshot", "snapshots a second and core"], lines)


# -- engines -----------------------------------------------------------------------------------------------------------


def steady(figures: Figures) -> str:
    rows = [(name, figures.row("steady", "work", work=work)) for work, name in WORKS.items()]
    lines = [[name, f"{r['whole_s']:.2f}", f"{r['on_demand_s']:.2f}", f"{r['ratio']:.2f}"] for name, r in rows]
    return table(["work", "whole", "on demand", "ratio"], lines)


def segments(figures: Figures) -> str:
    lines = []
    for data, span, count in SEGMENTS:
        row = figures.row("segments", "starts", data_mib=data, of_mib=span, segments=count)
        times = [f"{row['v8_compile_ms']:.2f}", f"{row['v8_start_ms']:.3f}", f"{row['wasmtime_start_ms']:.3f}"]
        lines.append([str(data), str(span), f"{count:,}", *times])
    head = ["data, MiB", "of, MiB", "segments", "V8: compile, ms", "V8: start, ms", "wasmtime: start, ms"]
    return table(head, lines, words=0)


def glue_starts(figures: Figures) -> str:
    lines = []
    for program, name in PROGRAMS.items():
        row = figures.row("capture", "starts", program=program)
        times = [f"{row['before_ms']:.0f} ms", f"{row['after_ms']:.1f} ms", f"{row['times']:.1f}"]
        lines.append([name, *times, f"{row['times_at_hand']:.1f}"])
    return table(["program", "prepared in Node", "captured", "times faster", "bytes at hand"], lines)


# -- what programs printed ---------------------------------------------------------------------------------------------


def printed(benchmark: str, what: str, lines: int | None = None) -> Callable[[Figures], str]:
    """A block with what a command printed, or its first lines."""

    def written(figures: Figures) -> str:
        text = [row["line"] for row in figures.rows(benchmark, what)]
        shown = text if lines is None else [*text[:lines], "..."]
        return "\n".join(["```text varies", *shown, "```"])

    return written


def by_hand_printed(figures: Figures) -> str:
    before, after = (figures.value("by_hand", "start", "by_hand_ms", start=side) for side in ("original", "output"))
    line = f"original: {before:.3f} ms, output: {after:.3f} ms, {before / after:.0f} times faster"
    return f"```text varies\n{line}\n```"


def ratio_printed(figures: Figures) -> str:
    before, after = (figures.value("by_hand", "start", "tool_ms", start=side) for side in ("original", "output"))
    return f"```text varies\n{before / after:.0f} times faster\n```"


TABLES: dict[str, Callable[[Figures], str]] = {
    "peers.summary": peers_summary,
    "peers.builds": peers_builds,
    "peers.ratios": peers_ratios,
    "layouts.table": layouts,
    "components.builds": component_builds,
    "wizer_tools.table": wizer_tools,
    "wizer_sizes.table": wizer_sizes,
    "shapes.table": shapes("shapes", "what there is to capture", (OURS, WIZER, SUCCESSOR, BINARYEN)),
    "component_shapes.table": shapes("component_shapes", "what a component has to capture", (OURS, SUCCESSOR)),
    "start.table": first_answers,
    "by_hand.table": by_hand,
    "by_hand.printed": by_hand_printed,
    "by_hand.ratio": ratio_printed,
    "example.printed": printed("example", "start"),
    "example.call": printed("example", "call", lines=3),
    "pause.table": pause(""),
    "pause.cpython": pause("CPython 3.12, a table of {rows} rows"),
    "serve.table": requests,
    "serve_runtimes.table": runtimes,
    "copies.table": copies,
    "builder.table": builder,
    "steady.table": steady,
    "segments.table": segments,
    "capture.table": glue_starts,
}
