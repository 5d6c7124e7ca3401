"""Read the descriptions of all shipped policies once, and store their vectors in a model folder.

    python benchmarks/training/describe.py [MODEL]

A policy whose descriptions lie there is loaded without reading them, by every process that loads the model.
Descriptions that were changed since are read again, so this only costs time if it is forgotten.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from deid.encoder.model import DescriptionEncoder
from deid.encoder.weights import ModelFolder, default_folder
from deid.policy import available_policies, load_policy


def main() -> None:
    """Store the vectors, and print the digest of the folder, which stays the same."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, default=default_folder())
    print(store(DescriptionEncoder(parser.parse_args().model)).digest)


def store(encoder: DescriptionEncoder) -> ModelFolder:
    """Store the vectors of what the shipped policies give to the encoder."""
    kinds = [kind for name in available_policies() for kind in load_policy(name).types]
    return encoder.store_wordings(kind for kind in kinds if "encoder" in kind.detect)


if __name__ == "__main__":
    main()
