"""Shared settings of the tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from preinit.passes.run import strategies
from preinit.passes.validate import validity
from tests.support.amounts import amount
from tests.support.command import GOOD
from tests.support.modules import wasm

# A shell's background job ignores interrupts, and one of nohup closed terminals: so would the commands that tests end.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Node would read all these certificates at each start, which takes longer than the rest of it; no test needs them.
os.environ.pop("NODE_EXTRA_CA_CERTS", None)

# Examples start an engine: a deadline would only measure the machine.
settings.register_profile(
    "preinit",
    max_examples=amount(200, 50),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.load_profile("preinit")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """The file of a module that initializes."""
    path = tmp_path / "good.wasm"
    path.write_bytes(wasm(GOOD))
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ondemand", action="store_true", help="let small modules be compiled on demand, too")


def pytest_configure(config: pytest.Config) -> None:
    """With `--ondemand`, every module that can be compiled on demand is: all tests hold for both engines."""
    if config.getoption("--ondemand"):
        for room in (strategies, validity):
            vars(room)["worthwhile"] = lambda module: True
