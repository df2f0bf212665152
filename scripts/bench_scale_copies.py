"""Copies of snapshots: how many a second, when they answer, what memory they take. A part of scripts/bench_scale."""

from __future__ import annotations

import argparse
import datetime
import platform
import sys

from real import FIXTURES, real_modules

from preinit import Host, Options, build
from preinit.bench.pooled import Many, measure_copies

#: Name, input, options of its build, what answers.
Case = tuple[str, str, Options, tuple[str, ...]]


def cases() -> list[Case]:
    request = (("PATH_INFO", "/"), ("REQUEST_METHOD", "GET"), ("QUERY_STRING", "n=1000"))
    found: list[Case] = []
    for name, dirs in (("cgi", ()), ("lisp", ((str(FIXTURES / "lisp/app"), "/app"),))):
        options = Options(host=Host(env=request, dirs=dirs))
        found.append((name, str(FIXTURES / f"{name}/{name}.wasm"), options, ("preinit_resume",)))
    for real in real_modules():
        if real.name in ("javy", "ruby"):
            options = Options(init_funcs=real.init_funcs, host=Host(dirs=real.dirs))
            found.append((real.name, real.path, options, ()))
    return found


def row(name: str, many: Many) -> str:
    answer = f"{many.first_byte * 1000:.2f} ms" if many.first_byte is not None else ""
    memory = f"{many.memory / 1024:,.0f} KiB" if many.memory is not None else ""
    called = f"{many.memory_called / 1024:,.0f} KiB" if many.memory_called is not None else ""
    return f"| {name} | {many.name} | {many.size:,} | {many.per_second:,.0f} | {answer} | {memory} | {called} |"


def run(copies: int) -> None:
    """Prints the table."""
    print("| module | | bytes | copies a second | first byte | memory of a copy | after its answer |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, path, options, calls in cases():
        found = measure_copies(path, build(path, options).wasm, options, copies=copies, calls=calls)
        for many in (found.original, found.output, found.empty):
            print(row(name, many), flush=True)
        ratio = found.original.per_second / found.output.per_second
        print(f"{name}: starting the output takes {ratio:.2f} of starting the original", file=sys.stderr)
    print(f"\n{platform.processor() or platform.machine()}, {copies} copies, {datetime.date.today()}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_scale --parts copies", description=__doc__)
    parser.add_argument("--copies", type=int, default=5000, metavar="N", help="of each module; 5000 if left out")
    run(parser.parse_args().copies)


if __name__ == "__main__":
    main()
