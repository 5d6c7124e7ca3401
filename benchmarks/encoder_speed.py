"""What the encoder's time depends on: how many types are asked for, and what carries out the sums.

    python benchmarks/encoder_speed.py [--model DIR] [--rounds 5]
    python benchmarks/encoder_speed.py --paths [--model DIR] [--rounds 5] [--threads 1] [--notes N]

The first reads the training notes with 1, 20, 100 and 500 types on one core, interleaved, and prints medians
and ratios; also how long it takes to read the descriptions, once a policy. Results go to
results/encoder-speed.json.

The second reads the same batches of the dev notes with the same threads on torch, OpenVINO and ONNX Runtime,
in each precision that the processor and the weights have, interleaved. For each it prints speed against torch
in 32 bits, whether it finds the same (share of spans with the same offsets and type, 2 x same / all) and what
it finds of the gold, the encoder alone. ONNX Runtime is left out where it is not installed. Results go to
results/encoder-paths.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from throughput import machine, texts

from deid.audit.measures import JudgedNote, judge, precision, recall, typed_strict_f1
from deid.encoder.model import DescriptionEncoder, TypeVectors
from deid.encoder.weights import WORDINGS, ModelFolder, default_folder, has_ranges
from deid.encoder.words import Words
from deid.formats.gold import Gold, read_gold
from deid.note import Finding
from deid.policy import load_policy

HERE = Path(__file__).resolve().parent
COUNTS = (1, 20, 100, 500)
NOTES = 60
REFERENCE = "torch f32"
OPTIONAL = ("onnx", "onnxruntime")
SHOWN = ("pieces_per_second", "ratio", "same_spans", "recall", "precision")


@dataclass(frozen=True, slots=True)
class Kind:
    """A description as the encoder takes it."""

    description: str
    views: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    contrast: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """An encoder on one path, with a policy's descriptions."""

    encoder: DescriptionEncoder
    types: TypeVectors
    seconds_to_load: float
    seconds_to_describe: float


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--paths", action="store_true", help="compare what carries out the sums")
    parser.add_argument("--threads", type=int, default=1, help="with --paths")
    parser.add_argument("--notes", type=int, help="with --paths: only so many notes; nothing is written then")
    arguments = parser.parse_args()
    if arguments.paths:
        name, whole = "encoder-paths.json", arguments.notes is None
        results = compare_paths(
            arguments.model, rounds=arguments.rounds, threads=arguments.threads, notes=arguments.notes
        )
    else:
        name, whole = "encoder-speed.json", True
        results = compare_counts(arguments.model, rounds=arguments.rounds)
        print(json.dumps({key: value for key, value in results.items() if key != "machine"}, indent=2))
    if arguments.model is None and whole:
        text = json.dumps(results, indent=2) + "\n"
        (HERE / "results" / name).write_text(text, encoding="utf-8")


def compare_counts(model: Path | None, *, rounds: int) -> dict[str, Any]:
    """Read notes with more and more types, on one core."""
    take_cores(1)
    encoder = DescriptionEncoder(model)
    encoder.keep_scores(0)  # else only the first round would read anything
    shipped = [kind.description for kind in load_policy("base").types]
    described = {
        count: encoder.describe(
            {f"T{at}": Kind(f"{shipped[at % len(shipped)]} Number {at}.") for at in range(count)}
        )
        for count in COUNTS
    }
    words = [encoder.split(text) for text in texts()[:NOTES]]
    pieces = count_pieces(words)
    medians = interleaved(
        {count: lambda types=types: encoder.scores(words, types) for count, types in described.items()},
        rounds,
    )
    begin = time.perf_counter()
    encoder.describe({f"T{at}": Kind(text) for at, text in enumerate(shipped)})
    reading = time.perf_counter() - begin
    return {
        "notes": len(words),
        "pieces": pieces,
        "runtime": encoder.runtime,
        "pieces_per_second_with_one_type": round(pieces / medians[1]),
        "ratio_to_one_type": {count: round(value / medians[1], 3) for count, value in medians.items()},
        "seconds_to_read_29_descriptions": round(reading, 3),
        "machine": machine(),
    }


def compare_paths(model: Path | None, *, rounds: int, threads: int, notes: int | None) -> dict[str, Any]:
    """Read the dev notes on each path; return speeds, ratios and what is found."""
    take_cores(threads)
    gold = list(read_gold(HERE / "dataset" / "dev.jsonl"))[:notes]
    with tempfile.TemporaryDirectory() as folder:
        loaded = {
            name: load(make) for name, make in paths(model or default_folder(), Path(folder), threads).items()
        }
        words = [loaded[REFERENCE].encoder.split(note.text) for note, _ in gold]
        medians = interleaved(
            {name: lambda one=one: one.encoder.scores(words, one.types) for name, one in loaded.items()},
            rounds,
        )
        found = {name: find(one, gold) for name, one in loaded.items()}
        shipped = DescriptionEncoder(model).runtime
    pieces = count_pieces(words)
    rows = {}
    print(f"{'path':<28}", *(f"{key.replace('_per_second', '/s').replace('_', ' '):>11}" for key in SHOWN))
    for name, one in loaded.items():
        same = judged(gold, found[name], against=found[REFERENCE])
        right = judged(gold, found[name])
        rows[name] = {
            "shipped": one.encoder.runtime == shipped,
            "pieces_per_second": round(pieces / medians[name]),
            "ratio": round(medians[REFERENCE] / medians[name], 2),
            "seconds_to_load": round(one.seconds_to_load, 2),
            "seconds_to_describe": round(one.seconds_to_describe, 2),
            "same_spans": round(typed_strict_f1(same), 4),
            "characters_lost": round(1 - precision(judged(gold, found[REFERENCE], against=found[name])), 4),
            "recall": round(recall(right), 4),
            "precision": round(precision(right), 4),
        }
        row, mark = rows[name], " (shipped)" if rows[name]["shipped"] else ""
        print(f"{name + mark:<28}", *(f"{row[key]:>11}" for key in SHOWN))
    return {
        "notes": len(gold),
        "pieces": pieces,
        "threads": threads,
        "rounds": rounds,
        "model": ModelFolder.open(model or default_folder()).digest,
        "paths": rows,
        "machine": {**machine(), "optional": {each: version(each) for each in OPTIONAL if find_spec(each)}},
    }


def paths(model: Path, folder: Path, threads: int) -> dict[str, Callable[[], DescriptionEncoder]]:
    """Return what makes an encoder on each path, in the order they are shown.

    Args:
        model: A model folder with weights.
        folder: Where exported models may be written.
        threads: For each of them.
    """
    from deid.encoder.openvino_runtime import native_precision

    wide = ["bf16"] if native_precision() == "bf16" else []
    narrow = ["int8"] if has_ranges(ModelFolder.open(model).weights()) else []
    chosen = [("torch", each) for each in ("f32", *wide)]
    chosen += [("openvino", each) for each in ("f32", *wide, *narrow)]
    made: dict[str, Callable[[], DescriptionEncoder]] = {}
    for runtime, precision_ in chosen:
        made[f"{runtime} {precision_}"] = lambda runtime=runtime, precision_=precision_: DescriptionEncoder(
            model, runtime=runtime, precision=precision_, streams=threads
        )
    if all(map(find_spec, OPTIONAL)):
        for name, path in exports(model, folder, ["f32", *narrow]).items():
            made[f"onnxruntime {name}"] = lambda path=path: DescriptionEncoder(path, streams=threads)
    return made


def exports(model: Path, folder: Path, precisions: Sequence[str]) -> dict[str, Path]:
    """Export a model in each precision, and as ONNX Runtime would quantize it by itself."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from deid.encoder.export import export_model
    from deid.encoder.exported import TEXT_GRAPH

    made = {each: export_model(model, folder / each, precision=each).path for each in precisions}
    # Ranges of inputs are taken batch by batch, so that a note's result depends on its company.
    made["dynamic int8"] = folder / "dynamic"
    shutil.copytree(made["f32"], made["dynamic int8"])
    quantize_dynamic(
        made["f32"] / TEXT_GRAPH,
        made["dynamic int8"] / TEXT_GRAPH,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    (made["dynamic int8"] / WORDINGS).unlink(missing_ok=True)  # of another text graph
    ModelFolder.sealed(made["dynamic int8"])
    return made


def take_cores(count: int) -> None:
    """Keep this process on some of its cores, and torch to as many threads."""
    import torch

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    torch.set_num_threads(count)


def load(make: Callable[[], DescriptionEncoder]) -> Loaded:
    """Load an encoder and read the descriptions of the shipped policy, timing both."""
    begin = time.perf_counter()
    encoder = make()
    loading = time.perf_counter() - begin
    encoder.keep_scores(0)  # else only the first round would read anything
    begin = time.perf_counter()
    types = encoder.describe({kind.name: kind for kind in load_policy("safe-harbor").types})
    return Loaded(encoder, types, loading, time.perf_counter() - begin)


def interleaved(works: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, float]:
    """Do each piece of work once a round; return the median seconds of each."""
    seconds: dict[Any, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):  # the first round warms up
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def count_pieces(words: Sequence[Words]) -> int:
    """Return the number of word pieces in texts."""
    return sum(int(each.first_piece[-1]) for each in words)


def find(one: Loaded, gold: Sequence[Gold]) -> list[list[Finding]]:
    """Return what the encoder alone finds in each note."""
    names = one.types.names
    return [
        [Finding(each.start, each.end, names[each.type_index], each.score, "encoder") for each in mentions]
        for mentions in one.encoder.find([note.text for note, _ in gold], one.types)
    ]


def judged(
    gold: Sequence[Gold], found: list[list[Finding]], *, against: list[list[Finding]] | None = None
) -> list[JudgedNote]:
    """Compare findings with the gold, or with those of another path."""
    wanted = against or [mentions for _, mentions in gold]
    return [
        judge(note.text, right, mine, about={"note_id": note.note_id, "group": note.note_id})
        for (note, _), right, mine in zip(gold, wanted, found, strict=True)
    ]


if __name__ == "__main__":
    main()
