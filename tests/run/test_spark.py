"""A run, a DataFrame and arriving files on Spark in this process; test_spark_cluster.py has a cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import standin
from standin import CODED_POLICY, POLICY, SECRET, request, tree, write_notes

from deid.audit.log import verify_log
from deid.errors import DeidError, InputOutputError, IntegrityError, KeyMaterialError, Reason, UsageError
from deid.keys import Keys
from deid.note import KnownValue
from deid.policy import EntityType, OperatorSpec
from deid.run.directory import output_texts
from deid.run.execute import execute
from deid.run.manifest import code_digest
from deid.run.spool import Item
from deid.run.units import ItemGroup, Reject, Unit
from deid.run.workers import Desk, ModelFacts, Recipe

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'clinical-deid[spark]'")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("there is no Java, which Spark needs", allow_module_level=True)

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from deid.run.spark import Cluster, deidentify_arriving, deidentify_dataframe, run_directory, session_engine
from deid.run.spark.executor import Facts, Order, pack, read_answer, unpack, work_on_units

pytestmark = [
    # PySpark leaves sockets to the garbage collection.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).parents[2]
SETTINGS = {
    "spark.driver.memory": "512m",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "3",
    "spark.sql.codegen.wholeStage": "false",
    "spark.executorEnv.PYTHONPATH": str(Path(standin.__file__).parent),
}
_KEYS = Keys.from_bytes(b"k" * 32)
_FACTORY = "standin:make"


@pytest.fixture(scope="module", name="spark")
def _spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    folder = tmp_path_factory.mktemp("spark")
    more = {"spark.local.dir": str(folder), "spark.sql.warehouse.dir": str(folder)}
    with Cluster(master="local[2]", settings={**SETTINGS, **more}).session() as session:
        yield session


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    return write_notes(tmp_path / "notes.jsonl")


def test_the_engine_does_not_show(spark: SparkSession, source: Path, tmp_path: Path) -> None:
    patients = tmp_path / "patients.csv"
    patients.write_text("patient_id,family_name\np1,Okonkwo\n")
    execute(request(source, tmp_path / "here", keys=_KEYS, patients=patients))
    out = tmp_path / "there"
    execute(request(source, out, keys=_KEYS, patients=patients), engine=session_engine(spark))
    assert tree(out) == tree(tmp_path / "here")
    assert json.loads((out / "timing.json").read_text())["workers"] == 2
    assert verify_log(out, keys=_KEYS, texts=output_texts(out)).ok


def test_codes_and_a_failure_and_its_resumption(spark: SparkSession, source: Path, tmp_path: Path) -> None:
    codes, out = tmp_path / "codes.csv", tmp_path / "there"
    coded: dict[str, Any] = {"policy": CODED_POLICY, "crosswalk": codes}
    execute(request(source, tmp_path / "here", **coded))
    engine = session_engine(spark)
    with pytest.raises(InputOutputError, match=r"RuntimeError.*--resume") as caught:
        execute(request(source, out, **coded, options={"explode": "31/4"}), engine=engine)
    assert SECRET not in str(caught.value)
    assert list((out / "work").glob("*.jsonl"))
    # A process that dies is tried again, on a cluster elsewhere; here that is the end of it.
    with pytest.raises(InputOutputError, match=r"Spark gave up.*--resume"):
        execute(request(source, out, **coded, resume=True, options={"fatal": "31/4"}), engine=engine)
    execute(request(source, out, **coded, resume=True))  # on one machine, for that matter
    assert tree(out) == tree(tmp_path / "here")


def test_calls_that_cannot_be(
    spark: SparkSession, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = request(source, tmp_path / "out")
    with pytest.raises(UsageError, match="--workers"):
        execute(replace(wanted, workers=2), engine=session_engine(spark))
    with pytest.raises(UsageError, match="session_engine"):
        execute(wanted, engine=Cluster(master="local[2]").engine)
    monkeypatch.setattr("deid.run.manifest.code_digest", lambda: "sha256:other")
    with pytest.raises(IntegrityError, match="another version"):
        execute(wanted, engine=session_engine(spark))
    assert not (tmp_path / "out").exists()


# What a task does, without Spark around it.

_UNIT = Unit(
    "patients-00003",
    (
        ItemGroup(
            (Item(4, "n4", f"\ud800 {SECRET}\n7", "p1"), Item(9, "n9", "8", "p1", "2079-03-04")), "C0DE"
        ),
        ItemGroup((Item(5, "n5", "9"),), None, (KnownValue("family_name", "Okonkwo"),)),
    ),
    (Reject(6, "line-7", Reason.INVALID_RECORD, "no object"),),
)
_FACTS = Facts(ModelFacts("sha256:standin", "python"), code_digest())


def _task(desk: Desk, facts: Facts = _FACTS, **options: Any) -> Any:
    order = Order(Recipe(POLICY, None, _FACTORY, options))
    batch = pa.RecordBatch.from_pydict({"unit": [pack(_UNIT)]})
    (answer,) = work_on_units([batch], order=order, facts=facts, desk=desk)
    return read_answer(answer.column(0)[0].as_py())


@pytest.fixture(name="desk")
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Desk:
    (tmp_path / "work").mkdir()
    (tmp_path / "manifest.json").write_text('{"format_version": 1}\n')
    monkeypatch.setattr("deid.run.manifest.run_id", lambda _: "r1")
    return Desk(tmp_path / "work", "r1")


def test_units_travel() -> None:
    assert unpack(pack(_UNIT)) == _UNIT
    assert unpack(pack(Unit("unit-00000"))) == Unit("unit-00000")


def test_a_task_that_is_repeated_does_no_work_twice(desk: Desk) -> None:
    first = _task(desk)
    assert (first.name, first.notes, first.quarantined) == ("patients-00003", 4, 1)
    written = (desk.folder / "patients-00003.jsonl").read_bytes()
    assert _task(desk, explode=SECRET) == first  # the processor is not asked again
    assert [path.name for path in desk.folder.iterdir()] == ["patients-00003.jsonl"]
    assert (desk.folder / "patients-00003.jsonl").read_bytes() == written


def test_a_task_refuses_what_would_make_the_output_depend_on_it(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="model as python"):
        _task(desk, Facts(ModelFacts("sha256:standin", "openvino bf16"), _FACTS.code))
    with pytest.raises(IntegrityError, match="code of another version"):
        _task(desk, Facts(_FACTS.model, "sha256:other"))
    with pytest.raises(InputOutputError, match="storage that the driver and all executors see"):
        _task(replace(desk, run_id="r2"))
    with pytest.raises(InputOutputError, match="storage that the driver and all executors see"):
        _task(Desk(tmp_path / "elsewhere" / "work", "r1"))
    assert not list(desk.folder.iterdir())


# A DataFrame.


def _rows(frame: Any) -> dict[Any, Mapping[str, Any]]:
    return {row["id"]: row for row in frame.toArrow().to_pylist()}


def _table(spark: SparkSession) -> Any:
    texts = ["Bed 1", "Bed 2", None, "Bed 3 QUARANTINE", "Bed 4", "Bed 5", "Bed \0 6", "Bed 7", "no bed"]
    patients = [7, 8, 7, 7, None, None, 8, 7, 8]
    return spark.createDataFrame(
        pa.table(
            {
                "id": pa.array(range(9), pa.int64()),
                "text": pa.array(texts),
                "mrn": pa.array(patients, pa.int32()),
                "day": pa.array([date(2079, 3, 4)] * 9),
                "ward": pa.array([f"W{number}" for number in range(9)]),
            }
        )
    ).repartition(4)


def test_a_dataframe_by_patient(spark: SparkSession) -> None:
    clean = deidentify_dataframe(
        _table(spark), POLICY, patient="mrn", note_id="id", note_date="day", factory=_FACTORY
    )
    rows = _rows(clean)
    assert clean.columns == ["id", "text", "mrn", "day", "ward", "quarantine_reason"]
    # Patient 7 has three notes that can be read, patient 8 two; those of nobody stand alone.
    assert [rows[number]["text"] for number in range(9)] == [
        *("Bed [N3K0]", "Bed [N2K0]", None, None, "Bed [N1K0]", "Bed [N1K0]", None, "Bed [N3K0]", "no bed"),
    ]
    assert [rows[number]["quarantine_reason"] for number in (0, 2, 3, 6)] == [
        *(None, "missing-text", "detector-failed", "nul-character"),
    ]
    assert [rows[number]["mrn"] for number in (0, 4)] == [7, None]
    assert rows[3]["day"] == date(2079, 3, 4)
    assert rows[3]["ward"] == "W3"


def test_a_dataframe_without_patients_keeps_its_rows_in_place(spark: SparkSession) -> None:
    table = _table(spark).coalesce(1).sortWithinPartitions("id")
    clean = deidentify_dataframe(table, POLICY, factory=_FACTORY, reason="why").toArrow()
    assert clean.column("id").to_pylist() == list(range(9))
    assert clean.column("text").to_pylist()[:2] == ["Bed [N1K0]", "Bed [N1K0]"]
    assert clean.column("why").to_pylist()[2] == "missing-text"


def test_fields_of_a_dataframe_are_replaced_and_may_become_null(spark: SparkSession) -> None:
    columns = [*_table(spark).select("id", "ward", "mrn").schema, StructField("text", StringType())]
    required = StructType([StructField(each.name, each.dataType, nullable=False) for each in columns])
    rows = [(1, "W1", 7, "Bed 1"), (2, "W2", 7, "Bed 2 QUARANTINE")]
    policy = POLICY.model_copy(update={"fields": {"ward": "NUMBER", "mrn": "NUMBER"}})
    frame = spark.createDataFrame(rows, required)
    clean = _rows(deidentify_dataframe(frame, policy, patient="mrn", factory=_FACTORY))
    assert [tuple(clean[number].values()) for number in (1, 2)] == [
        (1, "[NUMBER]", None, "Bed [N2K0]", None),
        (2, None, None, None, "detector-failed"),
    ]


def test_small_batches_tear_no_patient_apart(spark: SparkSession) -> None:
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "2")
    try:
        rows = _rows(deidentify_dataframe(_table(spark), POLICY, patient="mrn", factory=_FACTORY))
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert [rows[number]["text"] for number in (0, 1, 4, 7)] == [
        *("Bed [N3K0]", "Bed [N2K0]", "Bed [N1K0]", "Bed [N3K0]"),
    ]


def test_a_dataframe_that_cannot_be(spark: SparkSession) -> None:
    table = _table(spark)
    keyed = POLICY.model_copy(
        update={"types": (EntityType(name="N", description="D.", operator=OperatorSpec(name="hash")),)}
    )
    calls: list[tuple[type[DeidError], str, Mapping[str, Any]]] = [
        (UsageError, "did you mean 'text'", {"text": "txt"}),
        (UsageError, "unknown column 'MRN'", {"patient": "MRN"}),
        (UsageError, "bigint, not text", {"text": "id"}),
        (UsageError, "already", {"reason": "ward"}),
        (UsageError, "random codes", {"policy": CODED_POLICY}),
        (KeyMaterialError, "needs a key", {"policy": keyed}),
    ]
    for error, words, changes in calls:
        with pytest.raises(error, match=words):
            deidentify_dataframe(table, **{"policy": POLICY, **changes})


def test_a_dataframe_fails_closed(spark: SparkSession) -> None:
    table = _table(spark)
    broken = deidentify_dataframe(table, POLICY, factory=_FACTORY, model=Path("no/model"))
    with pytest.raises(PySparkException):  # the stand-in takes no model
        broken.toArrow()


# Files that arrive.


def _arrived(folder: Path) -> dict[str, list[str | None]]:
    return {each.name: list(output_texts(each)) for each in sorted(folder.iterdir())}


def _state(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_each_arriving_file_is_worked_on_once(spark: SparkSession, tmp_path: Path) -> None:
    folder, out, checkpoint = tmp_path / "in box", tmp_path / "out", tmp_path / "seen"
    folder.mkdir()
    first = write_notes(folder / "a+b 1.jsonl", 12)
    bad = folder / "b.jsonl"
    bad.write_text('{"note_id": "x", "text": "Bed 99"}\n')
    (folder / "readme.txt").write_text("no notes")

    def arrive(**options: Any) -> None:
        wanted = request(folder, out, options=options)
        query = deidentify_arriving(spark, wanted, checkpoint=checkpoint, pattern="*.jsonl", until_empty=True)
        try:
            query.awaitTermination()
        finally:
            query.stop()

    with pytest.raises(PySparkException) as caught:
        arrive(explode="99")
    assert "unit-00000: the work failed with RuntimeError" in str(caught.value)
    assert SECRET not in str(caught.value)
    arrive()
    done = _arrived(out)
    assert set(done) == {run_directory(out, first).name, run_directory(out, bad).name}
    execute(request(first, tmp_path / "here"))
    assert tree(run_directory(out, first)) == tree(tmp_path / "here")
    # The driver dies after the work and before Spark has noted it: the batch is replayed.
    before = _state(out)
    (commit,) = [path for path in (checkpoint / "commits").iterdir() if path.name == "0"]
    commit.unlink()
    (commit.parent / f".{commit.name}.crc").unlink(missing_ok=True)
    arrive()
    assert commit.exists()
    assert _state(out) == before
    # The same notes under another name are no new notes; others are.
    shutil.copy(first, folder / "again.jsonl")
    third = folder / "c.jsonl"
    third.write_text('{"note_id": "y", "text": "Bed 5"}\n')
    with pytest.raises(PySparkException):
        arrive(explode="Bed 5")
    # Whoever takes away what cannot be worked on lets the others through, and may bring it again.
    third.rename(folder / "c.jsonl.bad")
    arrive()
    assert _arrived(out) == done
    (folder / "c.jsonl.bad").rename(folder / "d.jsonl")
    arrive()
    assert _arrived(out) == {**done, run_directory(out, folder / "d.jsonl").name: ["Bed [N1K0]"]}


def test_arriving_files_do_not_mix_with_the_output(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="inside the input"):
        deidentify_arriving(spark, request(tmp_path, tmp_path / "out"), checkpoint=tmp_path / "seen")


# The command and the notebook.


def test_the_command_with_the_encoder_itself(tmp_path: Path) -> None:
    source = tmp_path / "notes.jsonl"
    source.write_text("".join(f"{line}\n" for line in _samples()))
    (tmp_path / "names.yaml").write_text(_NAMES)
    policy = str(tmp_path / "names.yaml")
    command = [sys.executable, "-m", "deid", "run", str(source), "--policy", policy, "--out"]
    settings = [part for name, value in SETTINGS.items() for part in ("--spark-conf", f"{name}={value}")]
    on_spark = ["--engine", "spark", "--master", "local[1]", *settings]
    for out, more in (("here", []), ("there", on_spark)):
        done = subprocess.run([*command, tmp_path / out, *more], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "3 notes de-identified" in done.stdout
        assert "pandas" not in done.stderr
    here, there = (tree(tmp_path / out) for out in ("here", "there"))
    for each in (here, there):
        each.pop("manifest.json")  # names the code, which may be edited meanwhile
    assert here == there
    *_, last = output_texts(tmp_path / "there")
    assert "[PATIENT_NAME]" in str(last)


def test_the_notebook(spark: SparkSession, tmp_path: Path) -> None:
    source = tmp_path / "notes" / "2079-03.jsonl"
    source.parent.mkdir()
    source.write_text("".join(f"{line}\n" for line in _samples()))
    (tmp_path / "deid.key").write_text("k" * 32)
    (tmp_path / "deid.key").chmod(0o600)
    rules = tmp_path / "rules.yaml"
    rules.write_text(_RULES)
    notebook = (ROOT / "docs" / "notebooks" / "spark.py").read_text()
    assert notebook.startswith("# Databricks notebook source\n")
    for name, path in (
        ("/shared/clinic", tmp_path),
        ('"safe-harbor"', f'"{rules}"'),
        ('"research-surrogates"', f'"{rules}"'),
    ):
        assert name in notebook
        notebook = notebook.replace(name, str(path))
    exec(compile(notebook, "spark.py", "exec"), {"spark": spark})
    table = spark.read.parquet(str(tmp_path / "clean" / "table")).toArrow().to_pylist()
    assert set(table[0]) == {"kind", "note_id", "text", "quarantine_reason"}
    texts = [row["text"] for row in sorted(table, key=lambda row: str(row["note_id"]))]
    assert "[DATE]" in texts[0]
    assert texts == list(output_texts(tmp_path / "clean" / "run"))
    (arrived,) = (tmp_path / "clean" / "arrived").iterdir()
    assert texts == list(output_texts(arrived))


_NAMES = """
policy: names
version: "1"
types:
  PATIENT_NAME:
    description: >-
      The name of the patient whom the note is about: first name, last name, both in either order,
      initials standing for the name, or a nickname. It stands in the header after Name, Patient or Re,
      and in the text where somebody presents, was seen, reports, denies or is admitted.
    detect: [encoder]
"""
_RULES = """
policy: dates
version: "1"
types:
  DATE:
    description: A date on which something happened to the patient.
    detect: [rules]
"""


def _samples() -> list[str]:
    lines = (ROOT / "sample_notes" / "notes.jsonl").read_text().splitlines()
    return [lines[number] for number in (0, 1, 6)]
