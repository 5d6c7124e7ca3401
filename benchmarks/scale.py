"""What a run costs by number, length and types of notes and by workers, and where its time goes.

    python benchmarks/scale.py [--minutes 12] [--characters 1000]

Notes are put together from lines of the training notes, with other digits in each, so that none repeats
another and nothing is answered from memory. Every measurement is a `deid run` in processes of its own; its
seconds are those beyond a run over one note, which loads the same. Counts are chosen to fit into the minutes.

- Counts, with the shipped encoder: four of them, as large as the time allows. A line is fitted; its slope
  says what 100 million such notes cost in core-hours.
- Counts, with a stand-in for detection that only replaces digits: 10,000, then 100,000 and 1,000,000 if they
  fit. They show memory and bytes, which depend on detection only by the weights and the spans; not speed.
- Length from 250 to 16,000 characters, 1 to 100 types, and 1, 2, 4 ... workers on as many cores.
- A profile of one worker on one core: each part of the pipeline, and each operation of the network.

Results go to results/scale.json, and docs/scale.md is written from them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scale_page import write_page
from throughput import HERE, machine

FITTED = 100_000_000
STANDIN_COUNTS = (10_000, 100_000, 1_000_000)
STANDIN_SPEED = 1_500  # notes a second and core, guessed low
LENGTHS = (250, 1_000, 4_000, 16_000)
TYPES = (1, 10, 29, 100)
SHIPPED_TYPES = 29
# Shares of the minutes; the rest is loading.
COUNTS_SHARE, STANDIN_SHARE, LENGTHS_SHARE, TYPES_SHARE, WORKERS_SHARE, PROFILE_SHARE = (
    *(0.22, 0.22, 0.14, 0.12, 0.1),
    0.05,
)
NOTES_PER_PATIENT = 5
DIGIT = re.compile(r"\d")
ATTENTION = "ScaledDotProductAttention"  # one node: two products with the softmax between them
PRODUCTS = ("FullyConnected", "MatMul", ATTENTION)


@dataclass(frozen=True, slots=True)
class Setting:
    """How notes are run.

    Args:
        workers: Processes, each on a core.
        types: Types that the encoder is asked for.
        standin: Only replace digits.
    """

    workers: int
    types: int = SHIPPED_TYPES
    standin: bool = False


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--characters", type=int, default=1_000, help="of a note, where length is not varied")
    parser.add_argument("--one", help="(internal) carry out one run in this process")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(INTERNAL[json.loads(arguments.one)["what"]](json.loads(arguments.one))))
        return
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.minutes * 60, arguments.characters)
        results = {"minutes": arguments.minutes, "characters": arguments.characters, **bench.measure()}
    results["machine"] = machine()
    (HERE / "results" / "scale.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_page(results)
    print(json.dumps(results, indent=2))


class Bench:
    """Makes notes and runs, within a time.

    Args:
        folder: For notes and run directories.
        seconds: For all of it, about.
        characters: Length of a note where it is not varied.
    """

    def __init__(self, folder: Path, seconds: float, characters: int) -> None:
        self._folder, self._seconds, self._characters = folder, seconds, characters
        self._cores = len(os.sched_getaffinity(0))
        self._runs = 0
        self._empty: dict[Setting, float] = {}
        lines = (HERE / "dataset" / "train.jsonl").read_text(encoding="utf-8").splitlines()
        self._lines = [line for note in lines for line in json.loads(note)["text"].split("\n")]

    def measure(self) -> dict[str, Any]:
        """Return all measurements."""
        began = time.monotonic()
        all_cores = Setting(self._cores)
        guess = self._run(all_cores, 150)["notes_per_second"]
        most = int(guess * self._seconds * COUNTS_SHARE / 1.875)
        counts = [self._run(all_cores, most // part) for part in (8, 4, 2, 1)]
        results = {
            "encoder_counts": counts,
            "line": line(counts),
            "standin_counts": self._standin(),
            "lengths": [self._run(all_cores, *each) for each in self._lengths(guess)],
            "types": self._each(
                [Setting(self._cores, types) for types in TYPES], guess * TYPES_SHARE / len(TYPES)
            ),
            "workers": self._each(self._workers(), guess * WORKERS_SHARE / (2 * self._cores)),
            "profile": self._profile(guess),
        }
        first, *_, last = results["workers"]
        results["scaling"] = {
            "workers": last["workers"],
            "ratio": round(last["notes_per_second"] / first["notes_per_second"], 2),
        }
        return {**results, "took_minutes": round((time.monotonic() - began) / 60, 1)}

    def _each(self, settings: Sequence[Setting], notes_per_second: float) -> list[dict[str, Any]]:
        count = max(int(notes_per_second * self._seconds), 40)
        return [self._run(setting, count) for setting in settings]

    def _workers(self) -> list[Setting]:
        counts = [1]
        while counts[-1] * 2 <= self._cores:
            counts.append(counts[-1] * 2)
        return [Setting(workers) for workers in counts]

    def _lengths(self, guess: float) -> Iterator[tuple[int, int]]:
        characters = guess * self._characters * self._seconds * LENGTHS_SHARE / len(LENGTHS)
        for length in LENGTHS:
            yield max(int(characters / length), 8), length

    def _standin(self) -> list[dict[str, Any]]:
        """Run the stand-in over as many notes as fit; the first count is always measured."""
        left, measured = self._seconds * STANDIN_SHARE, []
        speed = float(STANDIN_SPEED * self._cores)
        for count in STANDIN_COUNTS:
            if measured and count / speed > left:
                break
            measured.append(self._run(Setting(self._cores, standin=True), count))
            left -= measured[-1]["seconds"]
            speed = measured[-1]["notes_per_second"]
        return measured

    def _profile(self, guess: float) -> dict[str, Any]:
        count = max(int(guess / self._cores * self._seconds * PROFILE_SHARE), 30)
        path = self._folder / "profile.jsonl"
        self._write(path, count, self._characters)
        asked = {"path": str(path), "out": str(self._folder / "profile"), "cores": 1}
        parts = in_process({"what": "profile", **asked})
        network = in_process({"what": "network", **asked})
        share = parts["shares"]["network"]
        return {
            "notes": count,
            **parts,
            "network": network,
            "products_of_all": round(share * network["products"], 3),
        }

    def _run(self, setting: Setting, count: int, characters: int | None = None) -> dict[str, Any]:
        """Run over so many notes; return speeds, memory and bytes."""
        if setting not in self._empty:
            self._empty[setting] = self._timed(setting, 1, 50)["seconds"]
        found = self._timed(setting, count, characters or self._characters)
        seconds = found["seconds"] - self._empty[setting]
        return {
            "workers": setting.workers,
            "types": setting.types,
            "notes": count,
            "mean_characters": round(found["characters"] / count),
            "seconds": round(seconds, 2),
            "notes_per_second": round(count / seconds, 2),
            "characters_per_second": round(found["characters"] / seconds),
            **({} if setting.standin else {"tokens_per_second": round(found["tokens"] / seconds)}),
            "core_seconds": round(seconds * setting.workers, 2),
            "peak_memory_mb": {name: round(value / 2**20) for name, value in found["peak_memory"].items()},
            "bytes_written": found["bytes_written"],
            "bytes_in_run_directory": found["bytes_kept"],
            "loading_seconds": round(self._empty[setting], 2),
        }

    def _timed(self, setting: Setting, count: int, characters: int) -> dict[str, Any]:
        self._runs += 1
        path, out = (self._folder / f"{self._runs}{end}" for end in (".jsonl", ""))
        written = self._write(path, count, characters)
        asked = {"path": str(path), "out": str(out), "cores": setting.workers}
        found = in_process({"what": "run", "types": setting.types, "standin": setting.standin, **asked})
        subprocess.run(["rm", "-rf", str(out), str(path)], check=True)
        print(f"{setting} {count} notes of {characters}: {found['seconds']:.1f} s", file=sys.stderr)
        return {**found, "characters": written}

    def _write(self, path: Path, count: int, characters: int) -> int:
        """Write notes of about so many characters; return how many there are in all."""
        chance = random.Random(characters)
        total = 0
        with path.open("w", encoding="utf-8") as stream:
            for index in range(count):
                text = self._text(index, characters, chance)
                total += len(text)
                patient = f"p{index // NOTES_PER_PATIENT}"
                stream.write(json.dumps({"note_id": str(index), "patient_id": patient, "text": text}) + "\n")
        return total

    def _text(self, index: int, characters: int, chance: random.Random) -> str:
        parts = [f"Note {index}"]
        length = len(parts[0])
        while length < characters:
            parts.append(chance.choice(self._lines)[: characters - length])
            length += len(parts[-1]) + 1
        digits = str.maketrans("0123456789", f"{chance.randrange(10**10):010}")
        return "\n".join([parts[0], *(part.translate(digits) for part in parts[1:])])


def line(counts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Fit core-seconds = fixed + slope x notes, and say what very many notes cost."""
    notes = [each["notes"] for each in counts]
    seconds = [each["core_seconds"] for each in counts]
    slope, fixed = np.polyfit(notes, seconds, 1)
    residuals = np.asarray(seconds) - (fixed + slope * np.asarray(notes))
    last = counts[-1]
    return {
        "core_seconds_per_note": round(float(slope), 5),
        "core_seconds_fixed": round(float(fixed), 2),
        "largest_residual": round(float(np.abs(residuals).max() / seconds[-1]), 3),
        "notes": FITTED,
        "core_hours": round(float(slope) * FITTED / 3600),
        "run_directory_gb": round(last["bytes_in_run_directory"] / last["notes"] * FITTED / 1e9),
    }


def in_process(asked: dict[str, Any]) -> dict[str, Any]:
    """Have something done in a process of its own, whose memory nobody else has used."""
    command = [sys.executable, __file__, "--one", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Carry out a run on some cores; return seconds, memory and bytes."""
    take_cores(asked["cores"])
    from deid.run.execute import RunRequest, execute

    factory = {"factory": "scale:Standin"} if asked["standin"] else {}
    policy = policy_of(asked["types"])
    request = RunRequest(
        input=asked["path"], policy=policy, out=Path(asked["out"]), workers=asked["cores"], **factory
    )
    begin = time.perf_counter()
    execute(request)
    seconds = time.perf_counter() - begin
    timing = json.loads((request.out / "timing.json").read_text(encoding="utf-8"))
    # Counts of a process include those of its children that have ended.
    moved = dict(each.split(": ") for each in Path("/proc/self/io").read_text().splitlines())
    return {
        "seconds": seconds,
        "peak_memory": timing["peak_memory_bytes"],
        "bytes_written": int(moved["write_bytes"]),
        "bytes_kept": sum(each.stat().st_size for each in request.out.rglob("*") if each.is_file()),
        "tokens": 0 if asked["standin"] else count_tokens(Path(asked["path"])),
    }


def take_cores(count: int) -> None:
    """Keep this process and those it starts on some of its cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def policy_of(count: int) -> Any:
    """Return the shipped policy with so many types for the encoder; further ones are worded anew."""
    from deid.policy import load_policy

    policy = load_policy("safe-harbor")
    types = list(policy.types[:count])
    for number in range(len(types), count):
        kind = policy.types[number % len(policy.types)]
        new = {"name": f"TYPE_{number}", "description": f"{kind.description} Number {number}."}
        types.append(kind.model_copy(update={**new, "patterns": (), "i2b2": None, "hipaa": None}))
    return policy.model_copy(update={"types": tuple(types)})


def count_tokens(path: Path) -> int:
    """Return the word pieces of notes, each counted once."""
    from deid.encoder.weights import default_folder
    from deid.encoder.words import WordPieces

    pieces = WordPieces(default_folder() / "vocab.txt")
    with path.open(encoding="utf-8") as lines:
        return sum(len(pieces.split(json.loads(each)["text"]).pieces) for each in lines)


class Standin:
    """Stands in for the de-identifier where its time is not to be measured: digits are replaced."""

    model_digest = runtime = ""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def process(self, groups: Sequence[Any]) -> tuple[tuple[Any, ...], ...]:
        """Replace digits by signs."""
        return tuple(tuple(self._note(note) for note in group.notes) for group in groups)

    def _note(self, note: Any) -> Any:
        from deid.note import DeidentifiedNote, Finding, Replacement, Span
        from deid.run.work import NoteResult

        places = [each.start() for each in DIGIT.finditer(note.text)]
        replaced = tuple(
            Replacement(
                Span(at, at + 1, "OTHER_ID", 0.9, (Finding(at, at + 1, "OTHER_ID", 0.9, "rules", "digit"),)),
                *("redact", "#", at, at + 1),
            )
            for at in places[:20]
        )
        text = DIGIT.sub("#", note.text)
        return NoteResult(note.note_id, DeidentifiedNote(note.note_id, text, replaced))


class Clock:
    """Adds up the seconds of parts, each without the parts that it calls."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._stack: list[float] = []

    def watch(self, name: str, owner: Any, attribute: str) -> None:
        """Count the calls of a function or method as a part."""
        setattr(owner, attribute, self.timed(name, getattr(owner, attribute)))

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, timed."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self._stack.append(0.0)
            begin = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                seconds = time.perf_counter() - begin
                self.seconds[name] += seconds - self._stack.pop()
                if self._stack:
                    self._stack[-1] += seconds

        return timed


def profile(asked: dict[str, Any]) -> dict[str, Any]:
    """Run with one worker, in this process and on one core; return the share of each part."""
    take_cores(1)
    import deid.detect.description_recognizer as described
    import deid.encoder.model as encoder
    from deid.detect.rule_recognizer import RuleRecognizer
    from deid.encoder.openvino_runtime import Inference
    from deid.encoder.words import WordPieces
    from deid.operate.apply import Operators
    from deid.run import pipeline
    from deid.run.execute import RunRequest, execute
    from deid.run.workers import Recipe

    clock = Clock()
    for name, owner, attribute in (
        ("loading", Recipe, "build"),
        ("network", Inference, "_infer"),
        ("words and windows", WordPieces, "split"),
        ("words and windows", encoder, "split_windows"),
        ("words and windows", encoder, "lay_out"),
        ("scores and decoding", encoder.DescriptionEncoder, "find"),
        ("checks of what the encoder found", described.PolicyEncoder, "find"),
        ("rules", RuleRecognizer, "analyze"),
        ("propagation", pipeline, "propagate"),
        ("overlaps", pipeline, "resolve"),
        ("operators", Operators, "apply"),
        ("Presidio's engine, between all these", pipeline.Deidentifier, "_detect"),
    ):
        clock.watch(name, owner, attribute)
    request = RunRequest(input=asked["path"], policy=policy_of(SHIPPED_TYPES), out=Path(asked["out"]))
    clock.timed("reading, writing, audit log", execute)(request)
    del clock.seconds["loading"]
    total = sum(clock.seconds.values())
    shares = {name: round(seconds / total, 4) for name, seconds in clock.seconds.most_common()}
    return {"seconds": round(total, 2), "shares": shares}


def network(asked: dict[str, Any]) -> dict[str, Any]:
    """Read notes with the runtime's own counters; return the share of each kind of operation."""
    take_cores(1)
    import openvino as ov

    from deid.encoder.model import DescriptionEncoder
    from deid.encoder.openvino_runtime import Graph, OpenVinoRuntime
    from deid.encoder.windows import lay_out

    encoder = DescriptionEncoder()
    runtime = encoder._runtime
    if not isinstance(runtime, OpenVinoRuntime):
        raise TypeError("the profile is of OpenVINO")
    precision = {"INFERENCE_PRECISION_HINT": "f32" if runtime.precision == "f32" else "bf16"}
    graph = Graph(encoder.config, encoder.folder.weights()).reading(runtime.precision == "int8")
    options = {**precision, "PERF_COUNT": True, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": "1"}
    request = ov.Core().compile_model(graph, "CPU", options).create_infer_request()
    texts = [json.loads(each)["text"] for each in Path(asked["path"]).read_text().splitlines()[:100]]
    words = [encoder.split(text) for text in texts]
    windows = chain.from_iterable(encoder._windows(each, at) for at, each in enumerate(words))
    seconds: Counter[str] = Counter()
    for group in encoder._batches(sorted(windows, key=lambda window: window.pieces)):
        batch = lay_out(group, words, encoder._pieces)
        request.infer({"ids": batch.ids, "shapes": batch.shapes, "mask": batch.mask, "pool": batch.pool})
        for node in request.get_profiling_info():
            attends = node.node_name.startswith(ATTENTION)
            seconds[ATTENTION if attends else node.node_type] += node.real_time.total_seconds()
    total = sum(seconds.values())
    return {
        "runtime": encoder.runtime,
        "products": round(sum(seconds[name] for name in PRODUCTS) / total, 4),
        "operations": {name: round(each / total, 4) for name, each in seconds.most_common(8)},
    }


INTERNAL = {"run": run, "profile": profile, "network": network}

if __name__ == "__main__":
    main()
