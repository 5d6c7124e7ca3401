"""Batches computed side by side, with results in the order of the batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Streams:
    """Threads that each work on one batch at a time.

    Args:
        count: How many; with one the work is done in the thread that asks.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = ThreadPoolExecutor(count) if count > 1 else None

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the result for each item, in order; items are drawn as they are needed.

        Args:
            work: Called from several threads at once.
            items: What to work on.
        """
        if self._threads is None:
            yield from map(work, items)
            return
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(self._threads.submit(work, item))
            if len(waiting) > 2 * self._count:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)
