"""Copies of snapshots: how many a second, when they answer, what memory they take. A part of scripts/bench_scale."""

from __future__ import annotations

import argparse
from typing import Any

from bench_table import Tables, footer, show
from real import FIXTURES, real_modules

from preinit import Host, Options, build
from preinit.bench.pooled import measure_copies

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


def tables(copies: int = 5000) -> Tables:
    rows: list[dict[str, Any]] = []
    for name, path, options, calls in cases():
        found = measure_copies(path, build(path, options).wasm, options, copies=copies, calls=calls)
        for many in (found.original, found.output, found.empty):
            row = {"module": name, "what": many.name, "size_bytes": many.size, "copies_a_second": many.per_second}
            row["first_byte_ms"] = many.first_byte * 1000 if many.first_byte is not None else None
            row["copy_kib"] = many.memory / 1024 if many.memory is not None else None
            row["called_kib"] = many.memory_called / 1024 if many.memory_called is not None else None
            rows.append(row)
    return {"copies": rows}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench_scale --parts copies", description=__doc__)
    parser.add_argument("--copies", type=int, default=5000, metavar="N", help="of each module; 5000 if left out")
    copies = parser.parse_args().copies
    show(tables(copies)["copies"])
    print(footer(f"{copies} copies"))


if __name__ == "__main__":
    main()
