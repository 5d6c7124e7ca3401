"""Notes a second: `deid run` against stock Presidio with en_core_web_sm, on the same notes in one run.

    python benchmarks/throughput.py [--rounds 3] [--notes 400] [--large 100000]

Both read the same JSONL file and write de-identified text. Presidio runs as its documentation shows it: an
AnalyzerEngine with the spaCy model and an AnonymizerEngine, note by note, in one process. It is measured with
all cores at hand and on one core; so are we, with one worker a core. The rounds are interleaved, loading
is not counted, and the medians are compared. `--large N` also runs N short notes and records the peak memory.

Needs the packages of requirements-peers.txt beside this file. Results go to results/throughput.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peers import presidio_analyzer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGES = ("clinical-deid", "presidio-analyzer", "presidio-anonymizer", "spacy", "openvino", "torch")


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--notes", type=int, default=400)
    parser.add_argument("--large", type=int, default=0, help="also run this many short notes")
    parser.add_argument(
        "--peer", type=Path, help="(internal) measure Presidio on this file and print seconds"
    )
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(run_presidio(arguments.peer)))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = compare(Path(folder), arguments.notes, arguments.rounds)
        if arguments.large:
            results["large"] = large(Path(folder), arguments.large)
    results["machine"] = machine()
    path = HERE / "results" / "throughput.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


def texts() -> list[str]:
    """Return the notes to measure on: the sample notes and the training notes, as they are."""
    lines = (ROOT / "sample_notes" / "notes.jsonl").read_text(encoding="utf-8").splitlines()
    notes = [json.loads(line)["text"] for line in lines]
    from deid.formats.markup import read_marked

    for path in sorted((HERE / "dataset" / "notes").glob("train-[ab]/*.txt")):
        notes.append(read_marked(path.read_text(encoding="utf-8").partition("\n\n")[2])[0])
    return notes


def write_notes(path: Path, notes: list[str], count: int) -> int:
    """Write `count` notes, cycling through `notes`; return the number of characters.

    Each time round the digits are others: a run reads a window once, however often it is repeated.
    """
    characters, digits = 0, "0123456789"
    with path.open("w", encoding="utf-8") as stream:
        for index in range(count):
            turn = index // len(notes) % len(digits)
            text = notes[index % len(notes)].translate(str.maketrans(digits, digits[turn:] + digits[:turn]))
            characters += len(text)
            stream.write(json.dumps({"note_id": str(index), "text": text}) + "\n")
    return characters


def compare(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Run both in turn, with all cores and on one; return medians and ratios."""
    path = folder / "notes.jsonl"
    characters = write_notes(path, texts(), count)
    cores = sorted(os.sched_getaffinity(0))
    speeds: dict[str, list[float]] = {}
    for index in range(rounds):
        for name, used in (("all_cores", cores), ("one_core", cores[:1])):
            ours = run_deid(path, folder / f"out-{index}-{name}", used)
            peer = run_peer(path, used)
            speeds.setdefault(f"deid_{name}", []).append(count / ours)
            speeds.setdefault(f"presidio_{name}", []).append(count / peer)
    medians = {name: round(statistics.median(values), 2) for name, values in speeds.items()}
    return {
        "notes": count,
        "mean_characters": round(characters / count),
        "rounds": rounds,
        "notes_per_second": medians,
        "ratio_all_cores": round(medians["deid_all_cores"] / medians["presidio_all_cores"], 2),
        "ratio_one_core": round(medians["deid_one_core"] / medians["presidio_one_core"], 2),
        "rounds_notes_per_second": {name: [round(v, 2) for v in values] for name, values in speeds.items()},
    }


def run_deid(path: Path, out: Path, cores: list[int]) -> float:
    """Return the seconds of a run, without imports and loading."""
    command = [sys.executable, "-m", "deid", "run", str(path), "--policy", "safe-harbor", "--out", str(out)]
    loading = min(
        timed([*command[:4], str(empty(path)), *command[5:-1], f"{out}-empty-{n}"], cores, len(cores))
        for n in (0, 1)
    )
    return timed(command, cores, len(cores)) - loading


def empty(path: Path) -> Path:
    """Return a file with one short note, to measure what loading costs."""
    small = path.with_name("one.jsonl")
    small.write_text(json.dumps({"note_id": "0", "text": "Seen today."}) + "\n", encoding="utf-8")
    return small


def timed(command: list[str], cores: list[int], workers: int) -> float:
    """Run a command on some cores and return its seconds."""
    begin = time.perf_counter()
    subprocess.run(
        [*command, "--workers", str(workers)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return time.perf_counter() - begin


def run_peer(path: Path, cores: list[int]) -> float:
    """Return the seconds that Presidio takes for the notes, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--peer", str(path)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_presidio(path: Path) -> float:
    """Analyze and anonymize the notes one by one; return the seconds without loading."""
    import logging

    from presidio_anonymizer import AnonymizerEngine

    logging.disable(logging.CRITICAL)
    analyzer = presidio_analyzer()
    anonymizer = AnonymizerEngine()
    notes = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    anonymizer.anonymize(notes[0], analyzer.analyze(notes[0], language="en"))
    begin = time.perf_counter()
    written = [anonymizer.anonymize(text, analyzer.analyze(text, language="en")).text for text in notes]
    path.with_suffix(".presidio").write_text(json.dumps(written), encoding="utf-8")
    return time.perf_counter() - begin


def large(folder: Path, count: int) -> dict[str, Any]:
    """Run many short notes with patients; return speed and peak memory."""
    paragraphs = [part for text in texts() for part in text.split("\n\n") if len(part) > 80]
    path, out = folder / "large.jsonl", folder / "large-out"
    characters = 0
    with path.open("w", encoding="utf-8") as stream:
        for index in range(count):
            text = f"{paragraphs[index % len(paragraphs)][:112]} {index}"  # so that none repeats another
            characters += len(text)
            note = {"note_id": str(index), "patient_id": f"p{index % (count // 5)}", "text": text}
            stream.write(json.dumps(note) + "\n")
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "deid", "run", str(path), "--policy", "safe-harbor", "--out", str(out)]
    seconds = timed(command, cores, len(cores))
    timing = json.loads((out / "timing.json").read_text(encoding="utf-8"))
    return {
        "notes": count,
        "mean_characters": round(characters / count),
        "seconds": round(seconds, 1),
        "notes_per_second": round(count / seconds, 1),
        "workers": len(cores),
        "peak_memory_mb": {name: round(value / 2**20) for name, value in timing["peak_memory_bytes"].items()},
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit.stdout.strip(),
    }


if __name__ == "__main__":
    main()
