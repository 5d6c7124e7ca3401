"""Apache Spark: its tasks as the workers of a run, a DataFrame, and files that arrive in a folder."""

from deid.errors import UsageError

try:
    import pyspark as _  # noqa: F401
except ImportError:
    raise UsageError("pyspark is not installed: pip install 'clinical-deid[spark]'") from None

from deid.run.spark.arriving import deidentify_arriving, run_directory
from deid.run.spark.engine import Cluster, session_engine
from deid.run.spark.frame import deidentify_dataframe

__all__ = ["Cluster", "deidentify_arriving", "deidentify_dataframe", "run_directory", "session_engine"]
