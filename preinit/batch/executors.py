"""Who does the jobs: what is asked of them, and workers of a cluster; see `processes` for those of this machine."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InputError, PreinitError, Unreachable, UsageError, WorkerVersion, printable, quoted
from .folders import digest, pack
from .work import Order, Outcome, Request, Travelling, identity, perform

if TYPE_CHECKING:
    from distributed import Client

#: Seconds that a scheduler has to answer, and to have a worker.
PATIENCE = 10.0
#: Seconds that a cluster may be without workers: it may be starting some.
_LONELY = 60.0


class Crew(Protocol):
    """`size`: how many jobs it does at once. `lost`: what a future raises whose worker died."""

    size: int
    lost: tuple[type[BaseException], ...]

    def submit(self, request: Request) -> Future[Outcome]:
        """Hands out a job."""

    def renew(self) -> None:
        """After a worker died: others take its place. Raises a `PreinitError` where there are none."""

    def check(self) -> None:
        """Raises a `PreinitError` where nobody does anything any more."""

    def close(self, now: bool) -> None:
        """Ends it; `now`: whatever it is doing."""


class Cluster:
    """Workers of a Dask cluster. Files and folders travel to them; nothing is shared but the network."""

    def __init__(self, order: Order, address: str) -> None:
        try:
            from distributed import CancelledError as Forgotten
            from distributed import Client, KilledWorker
        except ImportError as problem:
            raise UsageError(
                "a scheduler needs Dask, which is not installed", hint="Install it: pip install 'preinit[cluster]'."
            ) from problem
        if order.options.host.writable or order.options.host.file_times == "host":
            raise _needs_folders()
        self.lost: tuple[type[BaseException], ...] = (KilledWorker, Forgotten, CancelledError)
        try:
            self._client: Client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TimeoutError, ImportError) as problem:
            raise Unreachable(
                f"the scheduler {quoted(address)} can't be reached: {printable(str(problem)) or 'no answer'}"
            ) from problem
        try:
            self.size = self._workers()
            self._executor: Executor = self._client.get_executor(pure=False)
            self._silent: tuple[type[BaseException], ...] = (OSError, TimeoutError, *self.lost)
            self._order = order
            self._alone_since = time.monotonic()
            self._travelling: dict[str, Any] = {}
            self._shared = self._share(order)
        except BaseException:
            self._client.close(timeout=PATIENCE)
            raise

    def _workers(self) -> int:
        """How many jobs they do at once. Raises `Unreachable`, `WorkerVersion`."""
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as problem:
            raise Unreachable(f"the cluster had no workers for {PATIENCE:g} seconds") from problem

        def ask() -> str | None:  # travels as code: a worker may not have this module
            try:
                from .work import identity
            except ImportError:
                return None
            return identity()

        for worker, found in self._client.run(ask, on_error="return").items():
            if found != identity():
                has = f"has preinit {found}" if isinstance(found, str) else "has no preinit that can do this"
                raise WorkerVersion(f"the worker {printable(str(worker))} {has}, and {identity()} is needed")
        return max(1, sum(map(int, self._client.nthreads().values())))

    def _share(self, value: object) -> Any:
        """A value on all workers."""
        (shared,) = self._client.scatter([value], broadcast=True, hash=False)
        return shared

    def submit(self, request: Request) -> Future[Outcome]:
        changes = request.changes
        if changes.get("writable") or changes.get("file_times") == "host":
            raise _needs_folders()
        given = changes.get("dirs", self._order.options.host.dirs)
        folders = [self._travel(host) for host, _ in given]
        if given:
            numbered = [(number, guest) for number, (_, guest) in enumerate(given)]
            request = request._replace(changes={**changes, "dirs": numbered})
        return self._executor.submit(perform, self._shared, pickle.dumps(request), *folders)

    def _travel(self, folder: str) -> Any:
        if folder not in self._travelling:
            self._travelling[folder] = self._share(Travelling(digest(folder), pack(folder)))
        return self._travelling[folder]

    def renew(self) -> None:
        """What was shared may be lost with the worker."""
        self._travelling.clear()
        self.check()
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
            self._shared = self._share(self._order)
        except self._silent as problem:
            raise self._gone() from problem

    def check(self) -> None:
        try:
            if self._client.nthreads():
                self._alone_since = time.monotonic()
        except self._silent as problem:
            raise self._gone() from problem
        if self._client.status != "running" or time.monotonic() - self._alone_since > _LONELY:
            raise self._gone()

    def _gone(self) -> Unreachable:
        return Unreachable(
            "the cluster can't be reached any more, or has no workers left",
            hint="What was done until then is written: start the cluster again, and do the rest with `--resume`.",
        )

    def close(self, now: bool) -> None:
        self._executor.shutdown(wait=not now)
        self._client.close(timeout=PATIENCE)


def _needs_folders() -> PreinitError:
    return InputError(
        "folders that may be written, or whose files have the times of the host, can't travel to workers",
        hint="Leave out `writable` and `file-times`, or do these jobs on this machine.",
    )


#: Makes the crew for an order.
Hire = Callable[[Order], Crew]
