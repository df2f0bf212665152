"""Compiling ahead: in a second thread, while the guest runs, what a chunk calls and does not hold; and a
chunk that is needed now, while Python chooses what follows.

Which chunks there are, and what is in them, does not depend on when the thread comes to them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .. import ffi
from ..room import has_limit
from .chunk import Chunk


class _Order:
    """A chunk that is to be compiled, its number, and what became of it: a module, or why there is none."""

    def __init__(self, number: int, chunk: Chunk) -> None:
        self.number = number
        self.chunk = chunk
        self.done = threading.Event()
        self.module: ffi.Module | None = None
        self.problem: BaseException | None = None


class Ahead:
    """Chunks that are compiled before they are needed, with `compile`, in the order in which they were ordered."""

    def __init__(self, compile: Callable[[bytes], ffi.Module]) -> None:
        self._compile = compile
        self._orders: dict[int, _Order] = {}  # function -> the chunk that it is in
        self._waiting: deque[_Order] = deque()
        self._lock = threading.Lock()
        self._works = False
        # A thread takes address space, and the engine ends the process where there is none left.
        self._may_work = not has_limit()

    def order(self, number: int, chunk: Chunk) -> None:
        """Has it compiled: at the latest when it is taken."""
        order = _Order(number, chunk)
        self._orders.update(dict.fromkeys(chunk.functions, order))
        self._put(order, self._waiting.append)

    def beside(self, number: int, chunk: Chunk, work: Callable[[], None]) -> ffi.Module:
        """Compiles a chunk that is needed now, in the thread, while it does some `work`.

        Raises what compiling raised.
        """
        order = _Order(number, chunk)
        self._put(order, self._waiting.appendleft)
        work()
        return self._fulfilled(order)

    def _put(self, order: _Order, put: Callable[[_Order], None]) -> None:
        with self._lock:
            put(order)
            if self._works or not self._may_work:
                return
            self._works = True
        try:
            threading.Thread(target=self._work, name="preinit-ahead", daemon=True).start()
        except RuntimeError:  # too many threads
            self._works = self._may_work = False

    def take(self, function: int) -> tuple[int, Chunk, ffi.Module] | None:
        """The chunk with a function, and its number, once it is compiled; None where none was ordered.

        Raises what compiling raised.
        """
        order = self._orders.get(function)
        if order is None:
            return None
        for taken in order.chunk.functions:
            if self._orders.get(taken) is order:
                del self._orders[taken]
        return order.number, order.chunk, self._fulfilled(order)

    def end(self) -> None:
        """Forgets all that is not begun."""
        with self._lock:
            self._waiting.clear()
        self._orders.clear()

    def _fulfilled(self, order: _Order) -> ffi.Module:
        with self._lock:
            own = order in self._waiting
            if own:
                self._waiting.remove(order)
        if own:  # the thread has other things to do
            self._fulfil(order)
        order.done.wait()
        if order.problem is not None:
            raise order.problem
        assert order.module is not None
        return order.module

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._works = False
                    return
                order = self._waiting.popleft()
            self._fulfil(order)

    def _fulfil(self, order: _Order) -> None:
        try:
            order.module = self._compile(order.chunk.wasm)
        except BaseException as problem:
            order.problem = problem
        order.done.set()
