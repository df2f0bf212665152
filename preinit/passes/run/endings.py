"""How an initializer ends: it returns, it exits with 0, or it fails for a reason that is known here and not below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...binary.types import NUMERIC_SIZES
from ...engine.guest import Instance
from ...errors import GuestExit, GuestTrap, ImportCalled, InitializerFailed, UncaughtException
from ...options.calls import Word
from ...symbols.linker import likely_stack_pointer, stack_pointers
from ..instrument import Instrumented
from ..plan.arguments import Call
from ..plan.commands import how_to_start
from ..plan.exports import has_code
from ..plan.job import Job

if TYPE_CHECKING:
    from ...host.world import World

#: What programs call to end themselves after they have found a mistake.
_ABORTS = frozenset(("abort", "_abort_js", "_abort"))


class Endings:
    """Runs what a job runs, in order, in an instance."""

    def __init__(self, job: Job, instance: Instance, instrumented: Instrumented, world: World) -> None:
        self._job = job
        self._instance = instance
        self._globals = instrumented.globals
        self._world = world
        self._ran: list[Call] = []
        self._pointers: set[int] | None = None
        self._named = True  # whether a name says which they are
        #: The one that was put back last without a name that says what it is.
        self.assumed: int | None = None

    def run_start(self, name: str) -> bool:
        """Runs the start function; tells whether it exited with 0. Raises an `InitializerFailed`."""
        return self._ended(lambda: self._instance.call(name, (), 0), None) is None

    def run(self, call: Call, perform: Callable[[Call], list[bytes]]) -> tuple[list[bytes], bool]:
        """The raw results of a call, none where it exited with 0, and whether it did. Raises an `InitializerFailed`."""
        self._ran.append(call)
        results = self._ended(lambda: perform(call), call)
        return results or [], results is None

    def _ended(self, perform: Callable[[], list[bytes]], call: Call | None) -> list[bytes] | None:
        before = self._stack_pointers()
        self.assumed = None
        try:
            return perform()
        except GuestExit as problem:
            if problem.status == 0 and self._goes_on(problem, call):
                self._unwind(before)
                return None
            self._explain(problem)
            raise
        except InitializerFailed as problem:
            self._explain(problem)
            raise

    # -- exiting with 0

    def _goes_on(self, problem: GuestExit, call: Call | None) -> bool:
        """Whether exiting is the end of that function, and not of all that the module is for."""
        if call and self._is_asked(call):
            problem.hint = "It must return, since what it returns is asked for."
            return False
        return has_code(self._job.module, self._job.exports)

    def _is_asked(self, call: Call) -> bool:
        """Whether something depends on what a call returns."""
        following = self._job.calls[len(self._ran) : len(self._ran) + 1]
        if any(isinstance(value, Word) for after in following for value in after.values):
            return True
        checked = call.returns is not None or call.expected is not None
        return bool(call.type.results) and (checked or self._job.options.keep_init_func == "noop")

    def _stack_pointers(self) -> Mapping[int, int]:
        """The stack pointer's global, and what it is now: whoever exits does not put it back."""
        if self._pointers is None:
            module = self._job.module
            likely = likely_stack_pointer(module)
            found = stack_pointers(module) or ({likely} if likely is not None else set())
            self._named = found != {likely}
            mutable = {index for index in found if module.globals[index].mutable and index in self._globals}
            self._pointers = {index for index in mutable if module.globals[index].type in NUMERIC_SIZES}
        return {index: self._read(index) for index in self._pointers}

    def _size(self, index: int) -> int:
        return NUMERIC_SIZES[self._job.module.globals[index].type]

    def _read(self, index: int) -> int:
        value = self._instance.global_value(self._globals[index], self._size(index))
        return int.from_bytes(value.bits, "little")

    def _unwind(self, before: Mapping[int, int]) -> None:
        """Leaves the frames on the guest's own stack, as returning would have done."""
        for index, number in before.items():
            if self._read(index) != number:
                self._instance.set_integer(self._globals[index], number, self._size(index))
                self.assumed = None if self._named else index

    # -- why it failed

    def _explain(self, problem: InitializerFailed) -> None:
        """Gives an error the hint that fits it best, where the place that raised it had none of its own."""
        start = how_to_start(self._job.module, self._ran)
        if isinstance(problem, ImportCalled):
            if start and problem.function in _ABORTS:
                problem.hint = start
            return
        if "hint" in problem.__dict__ or not isinstance(problem, GuestTrap | GuestExit | UncaughtException):
            return
        missing = self._world.missing()
        if isinstance(problem, GuestExit) and problem.status == 0:
            problem.hint = "Nothing could go on from there: export a function that instances are to call, or return."
            return
        hint = problem.hint if not isinstance(problem, GuestExit) else _failed(problem.status, self._world.printed > 0)
        if start:
            hint = start if isinstance(problem, GuestTrap) else f"{hint} {start}"
        elif missing:
            hint = f"{hint} {missing}"
        problem.hint = hint


def _failed(status: int, printed: bool) -> str:
    said = "what it printed above says which" if printed else "it printed nothing"
    return f"The program reports an error with exit code {status}; {said}."
