"""Errors travel between processes: from those that build to the one that tells the user."""

from __future__ import annotations

import inspect
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from preinit import Frame, PreinitError
from preinit.errors import BudgetExceeded, Discrepancy, Excess, GuestExit, Mismatch, WarningsRefused, located
from tests.support.everything import errors
from tests.support.processes import throw

FRAMES = (Frame(3, "inner\x1b[31m", 0x41), Frame(7, None))

#: Those that are not made as their root is: what raises them.
OWN: dict[type[PreinitError], Callable[[], PreinitError]] = {
    GuestExit: lambda: GuestExit("the guest ended with exit code 3", status=3, hint="Return."),
    WarningsRefused: lambda: WarningsRefused((("clock-frozen", "it read the clock", "Read it later."),) * 2),
    BudgetExceeded: lambda: BudgetExceeded(
        (
            Excess("max-size", 10, 30, "bytes", (("section 'data'", 20), ("and more", None))),
            Excess("max-pages", 1, 2, "pages", ()),
        ),
        "Raise it.",
    ),
    Mismatch: lambda: Mismatch(
        tuple(Discrepancy("memory", f"memory 0, {place:#x}", "00", "2a") for place in range(6)), hint="Use the report."
    ),
}
ERRORS = {kind.__name__: kind for kind in errors()}


def made(kind: type[PreinitError]) -> PreinitError:
    """An error of that kind, with all that an error can have."""
    if kind in OWN:
        problem = OWN[kind]()
    else:
        problem = kind("what happened", where="byte offset 0x41", hint="Do this.", frames=FRAMES)
        problem.cut = True
    located(problem, "in.wasm")
    return problem


def facts(problem: BaseException) -> dict[str, Any]:
    """All that can be seen of an error."""
    assert isinstance(problem, PreinitError)
    constant = {"code": problem.code, "exit code": problem.exit_code, "hint": problem.hint}
    return {**vars(problem), **constant, "kind": type(problem), "args": problem.args, "says": str(problem), "details": problem.details}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_survives_pickling_with_all_that_it_says(name: str) -> None:
    problem = made(ERRORS[name])
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert facts(pickle.loads(pickle.dumps(problem, protocol))) == facts(problem)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_that_is_made_otherwise_than_its_root_is_made_here_so(name: str) -> None:
    """One that is new can't be forgotten: it is in `OWN` as soon as it has a signature of its own."""
    kind = ERRORS[name]
    assert (inspect.signature(kind) != inspect.signature(PreinitError)) == (kind in OWN)


def test_errors_come_out_of_other_processes_as_they_were_raised() -> None:
    # As processes of batches are started: they inherit nothing.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        raised = {name: pool.submit(throw, made(kind)).exception() for name, kind in ERRORS.items()}
    for name, kind in ERRORS.items():
        found = raised[name]
        assert found is not None
        assert facts(found) == facts(made(kind))
