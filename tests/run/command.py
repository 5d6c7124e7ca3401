"""``deid run`` as a process of its own, with the stand-in for its pipeline.

    python command.py [SETTING=VALUE ...] run INPUT ...

Settings: ``file_bytes``, a limit of the system; ``pids``, a folder, and others of `standin.DigitRedactor`;
``hold``, a file: a processor says with it that it is at work, and waits until somebody removes it; ``eat``, a
word: at a note that has it, the processor asks for more memory than there is.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import standin

from deid.cli import main
from deid.run import manifest
from deid.run.work import Group, NoteResult

_CAPABILITIES_3 = 0x20080522  # linux/capability.h
_KINDS = {"file_bytes": int, "pids": Path, "hold": Path}


class Processor(standin.DigitRedactor):
    """The stand-in with the constructor of the real one."""

    def __init__(self, *, hold: Path | None = None, eat: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._hold, self._eat = hold, eat

    @classmethod
    def from_policy(cls, policy: object, *, keys: object, streams: int) -> Processor:
        """Build one as the settings say."""
        del policy, keys, streams
        return cls(**{name: value for name, value in SETTINGS.items() if name != "file_bytes"})

    def process(self, groups: Sequence[Group]) -> tuple[tuple[NoteResult, ...], ...]:
        """Wait, or eat memory, if told so."""
        if self._hold is not None:
            self._hold.touch()
            while self._hold.exists():
                time.sleep(0.01)
            self._hold = None
        if self._eat and any(self._eat in note.text for group in groups for note in group.notes):
            bytearray(1 << 50)
        return super().process(groups)


def limit() -> None:
    """Take on the limit asked for, and give up the rights of root over files and folders."""
    if "file_bytes" in SETTINGS:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SETTINGS["file_bytes"],) * 2)
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
        if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
            sys.exit(f"capset: {os.strerror(ctypes.get_errno())}")


def split(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings and the rest of a command line."""
    count = arguments.index("run")
    pairs = (each.partition("=")[::2] for each in arguments[:count])
    return {name: _KINDS.get(name, str)(value) for name, value in pairs}, list(arguments[count:])


SETTINGS, ARGUMENTS = split(sys.argv[1:])
# Workers run this file too, as they start.
_pipeline = ModuleType("deid.run.pipeline")
_pipeline.Deidentifier = Processor  # type: ignore[attr-defined]
sys.modules["deid.run.pipeline"] = _pipeline
manifest.code_digest = standin.code_digest

if __name__ == "__main__":
    limit()
    main(ARGUMENTS, prog_name="deid")
