"""Runs a program and adds a line to a file: its seconds, CPU seconds and peak memory, as JSON. Its exit code is ours.

Usage: wizer_step.py FILE PROGRAM [ARGUMENT...]
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    record, program, *arguments = sys.argv[1:]
    began = time.perf_counter()
    child = os.posix_spawn(program, [program, *arguments], os.environ)
    _, status, usage = os.wait4(child, 0)
    facts = {
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
    }
    with open(record, "a") as stream:  # the program's own start is measured: import little
        stream.write(json.dumps(facts) + "\n")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
