"""A process that was forked from one that has built something has none of the engine's threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.waiting import PATIENCE

SCRIPT = """
import os, preinit
text = b'(module (memory 1) (func (export "preinit_initialize") (i32.store (i32.const 0) (i32.const 7))))'
def output(engine):
    return preinit.build(text, engine=engine, cache=False, accept=["nothing-exported"]).wasm
before = [output(engine) for engine in ("whole", "ondemand")]
if os.fork() == 0:
    assert [output(engine) for engine in ("whole", "ondemand")] == before
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such system call")
def test_a_child_of_a_process_that_built_something_builds_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == (b"7\n", b"")


HELD = """
import os, threading, preinit
from preinit.engine import runtime
text = b'(module (memory 1) (func (export "preinit_initialize") (i32.store (i32.const 0) (i32.const 7))))'
output = lambda: preinit.build(text, cache=False, accept=["nothing-exported"]).wasm
before = output()
held, done = threading.Event(), threading.Event()
def start_threads():
    with runtime.thread_stacks(1 << 20):
        held.set()
        done.wait()
threading.Thread(target=start_threads).start()
held.wait()
if os.fork() == 0:
    assert output() == before
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
done.set()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such system call")
def test_a_child_of_a_process_that_is_building_builds_the_same() -> None:
    """Another thread was about to start one, and is not there any more."""
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == (b"7\n", b"")
