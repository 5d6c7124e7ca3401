"""The command ``deid``, also as ``python -m deid``."""

import sys

from deid.cli import main
from deid.lean import leave_out_training_libraries


def run() -> None:
    """Run the command; all but ``deid train`` do without torch."""
    if sys.argv[1:2] != ["train"]:
        leave_out_training_libraries()
    main(prog_name="deid")


if __name__ == "__main__":
    run()
