"""Write the sample export and its gold from the marked notes: ``python sample_notes/build.py``."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deid.formats.gold import Gold, read_gold, write_gold

HERE = Path(__file__).resolve().parent
COLUMNS = ("note_id", "patient_id", "note_date", "kind", "text")
FIRST_ENCOUNTER = 600_101


def records(notes: Sequence[Gold]) -> list[dict[str, str]]:
    """Return the notes as rows with the columns `COLUMNS`.

    Args:
        notes: Notes with patient, date and kind.

    Raises:
        ValueError: if a note lacks one of them.
    """
    rows = []
    for note, _ in notes:
        if note.patient_id is None or note.note_date is None:
            raise ValueError(f"{note.note_id}: patient_id and note_date (ISO) are needed")
        head = (note.note_id, note.patient_id, note.note_date.isoformat(), str(note.metadata["kind"]))
        rows.append(dict(zip(COLUMNS, (*head, note.text), strict=True)))
    return rows


def write_jsonl(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a JSON object a line.

    Args:
        path: The file.
        rows: What `records` returns.
    """
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a table with a header row, quoted as in RFC 4180.

    Args:
        path: The file.
        rows: What `records` returns.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a table with two columns more: a number for each encounter, and when the nightly export filed it.

    The same rows and the same version of pyarrow give the same bytes.

    Args:
        path: The file.
        rows: What `records` returns.
    """
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in COLUMNS}
    columns["encounter_id"] = [FIRST_ENCOUNTER + at for at in range(len(rows))]
    columns["note_datetime"] = [
        datetime.combine(datetime.fromisoformat(row["note_date"]), time(23, at % 60))
        for at, row in enumerate(rows)
    ]
    texts = [(name, pa.string()) for name in COLUMNS]
    schema = pa.schema([*texts, ("encounter_id", pa.int64()), ("note_datetime", pa.timestamp("us"))])
    pq.write_table(pa.table(columns, schema=schema), path, compression="snappy")


def write_texts(folder: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a text file for each note; text files that are there are removed.

    Args:
        folder: Made if absent.
        rows: What `records` returns.
    """
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.txt"):
        path.unlink()
    for row in rows:
        (folder / f"{row['note_id']}.txt").write_text(row["text"], encoding="utf-8", newline="\n")


def build(marked: Path, directory: Path) -> None:
    """Write all formats and the gold.

    Args:
        marked: Folder of marked notes.
        directory: Where the files go; must exist.
    """
    notes = list(read_gold(marked))
    rows = records(notes)
    write_jsonl(directory / "notes.jsonl", rows)
    write_csv(directory / "notes.csv", rows)
    write_parquet(directory / "notes.parquet", rows)
    write_texts(directory / "txt", rows)
    write_gold(directory / "gold.jsonl", notes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: this one)")
    build(HERE / "marked", parser.parse_args().out)
