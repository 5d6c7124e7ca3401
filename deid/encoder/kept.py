"""Arrays that are kept in memory for the next time that they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

from deid.encoder.windows import FloatArray

Key = TypeVar("Key", bound=Hashable)


class Kept(Generic[Key]):
    """A bounded store of arrays; those that were not asked for longest go first. Threads may share it.

    Args:
        most_bytes: Bytes of arrays that are kept at most; 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._arrays: OrderedDict[Key, FloatArray] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._arrays)

    def get(self, key: Key) -> FloatArray | None:
        """Return an array, None if it is not kept.

        Args:
            key: What it was put in under.
        """
        with self._lock:
            if (array := self._arrays.get(key)) is not None:
                self._arrays.move_to_end(key)
            return array

    def put(self, key: Key, array: FloatArray) -> None:
        """Keep a copy of an array.

        Args:
            key: Stands for everything that the array depends on.
            array: The array.
        """
        own = array.copy()
        own.flags.writeable = False
        with self._lock:
            self._drop(key)
            self._arrays[key] = own
            self._bytes += own.nbytes
            while self._bytes > self.most_bytes:
                self._drop(next(iter(self._arrays)))

    def _drop(self, key: Key) -> None:
        if (array := self._arrays.pop(key, None)) is not None:
            self._bytes -= array.nbytes
