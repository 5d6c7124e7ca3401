"""A DataFrame of notes, de-identified row by row; for notebooks and pipelines of others."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sql
from pyspark.sql.types import StringType, StructField, StructType

from deid.errors import UsageError, unknown_name
from deid.keys import Keys
from deid.operate.catalog import needs_code
from deid.policy import Policy, load_policy
from deid.run.spark.engine import map_rows
from deid.run.spark.executor import Order
from deid.run.spark.rows import ADDED, Rows, deidentify_rows
from deid.run.workers import FACTORY, Recipe


class Settings(TypedDict, total=False):
    """Further arguments of `deidentify_dataframe`.

    Args:
        note_id: Column of the note's id, on which the surrogates of notes without a patient depend; without
            it they depend on the text.
        note_date: Column of the date of writing.
        reason: Column to add, ``quarantine_reason``: null, or why there is no text.
        max_characters: Longest note in code points, 1,000,000.
        model: A model folder on every executor; the shipped one when absent.
        factory: ``module:attribute`` of what builds a processor.
    """

    note_id: str | None
    note_date: str | None
    reason: str
    max_characters: int
    model: Path
    factory: str


def deidentify_dataframe(
    df: DataFrame,
    policy: str | Path | Policy,
    *,
    text: str = "text",
    patient: str | None = None,
    keys: Keys | None = None,
    **settings: Unpack[Settings],
) -> DataFrame:
    """De-identify a column of notes; no run directory and no audit log are kept.

    Columns that the policy's `fields` name are replaced; all others are carried through as they are. A note
    that cannot be de-identified keeps its row, without text and without those values, and with the reason.

    Args:
        df: The notes.
        policy: A policy, the name of a shipped one, or a path on the driver.
        text: Column of the notes.
        patient: Column of the patient: the notes of one are brought together and worked on as one, for which
            rows change places. Without it each note stands alone, and rows stay where they are.
        keys: Needed where the policy has surrogates, date shifts, hashes or codes.
        settings: See `Settings`.

    Raises:
        PolicyError: if the policy cannot be loaded.
        KeyMaterialError: if it needs a key and there is none.
        UsageError: for a column that is missing or no text, or a policy that asks for random codes.
    """
    loaded = policy if isinstance(policy, Policy) else load_policy(policy)
    from deid.operate.apply import Operators  # loads Presidio, and what that loads: not for every executor

    Operators(loaded, keys=keys)
    if any(needs_code(spec) for spec in (loaded.default_operator, *(kind.operator for kind in loaded.types))):
        raise UsageError(f"policy {loaded.name} asks for random codes: use deid run with --crosswalk")
    reason = settings.get("reason", "quarantine_reason")
    note_id, note_date = settings.get("note_id"), settings.get("note_date")
    _check_columns(df, text, others=(patient, note_id, note_date), added=(reason, *ADDED))
    owner = sql.nullif(_as_text(patient), sql.lit(""))
    name = _as_text(note_id) if note_id else sql.sha2(sql.coalesce(f"`{text}`", sql.lit("")), 256)
    added = zip((owner, name, _as_text(note_date)), ADDED, strict=True)
    rows = df.select("*", *(column.alias(name) for column, name in added))
    if patient is not None:
        # Not groupBy: patients of few notes share the encoder's batches, and notes of nobody are spread.
        place = [sql.col(f"`{each}`") for each in ADDED[:2]]
        rows = rows.repartition(sql.coalesce(*place)).sortWithinPartitions(*place)
    options = {"model": settings["model"]} if "model" in settings else {}
    work = partial(
        deidentify_rows,
        order=Order(Recipe(loaded, keys, settings.get("factory", FACTORY), options)),
        rows=Rows(text, reason, settings.get("max_characters", 1_000_000)),
    )
    kept = (StructField(each.name, each.dataType, True, each.metadata) for each in df.schema.fields)
    return map_rows(rows, work, StructType([*kept, StructField(reason, StringType())]))


def _as_text(name: str | None) -> Column:
    return (sql.lit(None) if name is None else sql.col(f"`{name}`")).cast("string")


def _check_columns(df: DataFrame, text: str, *, others: Iterable[str | None], added: Iterable[str]) -> None:
    for name in (text, *filter(None, others)):
        if df.columns.count(name) != 1:
            raise UsageError(unknown_name("column", name, df.columns))
    kind = df.schema[text].dataType
    if not isinstance(kind, StringType):
        raise UsageError(f"column {text!r} holds {kind.simpleString()}, not text: name another")
    for name in added:
        if name in df.columns:
            raise UsageError(f"there is a column {name!r} already: rename it")
