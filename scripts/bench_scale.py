"""Many snapshots and many copies: runs the parts that are named, one after the other, each with a table of its own.

A part is a file next to this one, scripts/bench_scale_PART.py, whose `main` takes what this does not know.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec

PARTS = ("builder", "copies", "serve")


def main() -> None:
    there = [part for part in PARTS if find_spec(f"bench_scale_{part}")]
    parser = argparse.ArgumentParser(prog="scripts/bench_scale", description=__doc__, add_help=False)
    parser.add_argument("--parts", default=",".join(there), metavar="PART,...", help=f"default: {','.join(there)}")
    if sys.argv[1:] in (["-h"], ["--help"]):
        parser.print_help()
        print("\nOptions of one part: --parts PART --help")
        return
    arguments, rest = parser.parse_known_args()
    parts = arguments.parts.split(",")
    for part in parts:
        if part not in there:
            parser.error(f"there is no part {part!r}: one of {', '.join(there)}")
    for part in parts:
        print(f"\n## {part}\n", flush=True)
        sys.argv = [f"{sys.argv[0]} --parts {part}", *rest]
        import_module(f"bench_scale_{part}").main()


if __name__ == "__main__":
    main()
