# Databricks notebook source
# MAGIC %md
# MAGIC # De-identify notes on Spark
# MAGIC
# MAGIC Three ways: a DataFrame in, a DataFrame out; a run with its audit log; files that arrive in a folder.
# MAGIC Install `clinical-deid` on the cluster first, so that driver and workers have it. The folders below
# MAGIC must be the same for driver and workers, on a file system with locks and renames. No note is shown.

# COMMAND ----------

from pathlib import Path

from deid.keys import Keys
from deid.run.execute import RunRequest, execute
from deid.run.spark import deidentify_arriving, deidentify_dataframe, session_engine

NOTES = "/shared/clinic/notes/2079-03.jsonl"
CLEAN = "/shared/clinic/clean"

# COMMAND ----------

# MAGIC %md
# MAGIC ## A DataFrame
# MAGIC
# MAGIC With `patient`, the notes of a patient are worked on together. A note that cannot be de-identified has
# MAGIC no text, and the reason in `quarantine_reason`. Other columns are carried through: drop what is PHI.

# COMMAND ----------

notes = spark.read.json(NOTES)
clean = deidentify_dataframe(
    notes, "safe-harbor", text="text", patient="patient_id", note_id="note_id", note_date="note_date"
).drop("patient_id", "note_date")
clean.write.mode("overwrite").parquet(f"{CLEAN}/table")

# COMMAND ----------

# MAGIC %md
# MAGIC ## A run with its audit log
# MAGIC
# MAGIC The same as `deid run`, with this session's executors at work. After a failure, the same cell goes on.

# COMMAND ----------

request = RunRequest(input=NOTES, policy="safe-harbor", out=Path(CLEAN, "run"), resume=True)
summary = execute(request, engine=session_engine(spark))
print(summary.counts["deidentified"], "notes de-identified,", summary.counts["quarantined"], "quarantined")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Files that arrive
# MAGIC
# MAGIC Each file that appears in the folder gets a run directory of its own, exactly once, also when a batch
# MAGIC is replayed. Surrogates and date shifts of a patient are the same in all files: they come from the
# MAGIC secret. With `until_empty=False` the query waits for more.

# COMMAND ----------

# The secret's file is readable by its owner only; `dbutils.secrets.get` and `Keys.from_bytes` do as well.
arriving = RunRequest(
    input=Path(NOTES).parent,
    policy="research-surrogates",
    out=Path(CLEAN, "arrived"),
    keys=Keys.from_file("/shared/clinic/deid.key"),
)
query = deidentify_arriving(
    spark, arriving, checkpoint=Path(CLEAN, "seen"), pattern="*.jsonl", until_empty=True
)
query.awaitTermination()
