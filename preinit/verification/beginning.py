"""The input of a program that was paused in the middle: run from its beginning to its end, as its output goes on.

What it prints up to the pause was printed by the build, and what it reads up to there was read; the rest must be what
the output prints, and how it ends.
"""

from __future__ import annotations

from ..host.output import Head
from ..options import Host
from ..passes.observer import Observer
from ..passes.plan.job import Job
from ..passes.run.guest import run_guest
from ..passes.run.paused import Paused
from ..records import replaced
from .behaviour import Outcome, Side
from .calls import Call


class Beginning:
    """Runs the input from its beginning. `paused`: where it was paused, in the last of its calls, which was given
    nothing but numbers. `read`: bytes of standard input that were read before. Close it.

    Raises what running raises.
    """

    def __init__(self, job: Job, paused: Paused) -> None:
        assert paused.pausing is not None
        run = paused.pausing.run
        options = replaced(job.options, pause_at=None, late=(), reopen=False, replay_output=False, scrub_stack=False)
        self.name = job.calls[run].name
        self._raw = tuple(value for value in job.calls[run].values if isinstance(value, bytes))
        self.read = job.options.host.stdin[: paused.host.stdin_bytes]
        self._printed = paused.world.heads if not job.options.replay_output else (Head(), Head())
        whole = job._replace(calls=job.calls[:run], options=options, pause=None, stack=None, goes_on=True)
        self._first = run_guest(whole, Observer())
        self._side = Side(whole, self._first)
        self._side.earlier = job.options.host.stdin, paused.world.input_reads

    def call(self, call: Call, host: Host, seconds: float) -> Outcome:
        """Runs it with `host`'s standard input behind what was read, and what is told from the pause on.

        What was read is read in the same pieces, the end of input included, if the program was told that it is there.
        """
        outcome = self._side.call(call._replace(raw=self._raw), self.name, host, seconds)
        output, error = self._printed
        return outcome._replace(output=output.left_out_of(outcome.output), error=error.left_out_of(outcome.error))

    def end_call(self) -> None:
        """Frees the instance of the last call."""
        self._side.close()

    def close(self) -> None:
        self._side.close()
        self._first.close()
