"""Files that arrive in a folder, each de-identified exactly once by Structured Streaming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from deid.errors import UsageError
from deid.formats.atomic import reading
from deid.run import manifest as manifests
from deid.run.execute import RunRequest, execute
from deid.run.spark.engine import session_engine

_FILES = "path STRING, modificationTime TIMESTAMP, length LONG, content BINARY"
_FILES_IN_BATCH = 100


def deidentify_arriving(
    session: SparkSession,
    request: RunRequest,
    *,
    checkpoint: Path,
    pattern: str = "*",
    until_empty: bool = False,
) -> StreamingQuery:
    """De-identify the files that arrive in a folder, each exactly once, in a run of its own.

    A file's run directory is named after the digest of its content (`run_directory`). A file that comes
    again, because a batch is replayed after a failure or somebody delivers it twice, meets its own run: one
    that is complete is left as it is, one that was stopped goes on.

    Args:
        session: A running session.
        request: As for a run of one file; `input` is the folder in which files appear, complete when they do;
            `out` is the folder of the run directories.
        checkpoint: Folder where Spark notes which files it has seen.
        pattern: Which files hold notes, such as ``*.jsonl``.
        until_empty: Stop when all that is there has been worked on, instead of waiting for more.

    Raises:
        UsageError: if the run directories would lie among the input.
    """
    folder = Path(request.input).resolve()
    if request.out.resolve().is_relative_to(folder):
        raise UsageError(f"the output folder {request.out} lies inside the input {folder}; name another")

    def work(batch: DataFrame, _: int) -> None:
        for uri in sorted(batch.select("path").toArrow().column("path").to_pylist()):
            path = Path(unquote(urlsplit(uri).path))
            directory = run_directory(request.out, path)
            execute(replace(request, input=path, out=directory, resume=True), engine=session_engine(session))

    files = session.readStream.format("binaryFile").schema(_FILES).option("pathGlobFilter", pattern)
    # A file that cannot be read stops the query; whoever takes it away lets the others through.
    files = files.option("ignoreMissingFiles", "true").option("maxFilesPerTrigger", _FILES_IN_BATCH)
    writer = files.load(str(folder)).writeStream.foreachBatch(work)
    writer = writer.option("checkpointLocation", str(checkpoint))
    return (writer.trigger(availableNow=True) if until_empty else writer).start()


def run_directory(out: Path, file: Path) -> Path:
    """Return where the run of a file that arrived lies.

    Args:
        out: The folder of the run directories.
        file: The file, as it arrived.

    Raises:
        InputOutputError: if it cannot be read.
    """
    with reading(str(file)):
        digest = manifests.file_digest(file)
    return out / f"run-{digest.removeprefix('sha256:')[:16]}"
