"""Ways in which a batch fails, besides those of each build."""

from __future__ import annotations

from ..errors import PreinitError, UsageError


class JobFile(UsageError):
    """A job file that can't be read, or says what does not fit."""

    code = "job-file"


class Unreachable(PreinitError):
    """A cluster that can't be used."""

    code = "scheduler"
    hint = (
        "Start one with `dask scheduler` and `dask worker tcp://HOST:8786`, and name it: --scheduler tcp://HOST:8786."
    )


class WorkerVersion(PreinitError):
    """A worker that has another preinit would write other bytes."""

    code = "worker-version"
    hint = "Install the same preinit on all workers: pip install 'preinit[cluster]==VERSION'."


class WorkerLost(PreinitError):
    """The process that did a job died, each time."""

    code = "worker-lost"
    hint = "It may have used too much memory: limit it (max_memory), or use fewer processes (--jobs)."


class JobsFailed(PreinitError):
    """Some jobs of a batch failed; the others were done."""

    code = "jobs-failed"
    hint = "Correct what is said with each, and do the rest with `--resume`."
