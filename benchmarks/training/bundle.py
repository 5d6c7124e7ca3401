"""Train on a machine that has a GPU and nothing else of ours: no network, no checkout, small transfers.

    python benchmarks/training/bundle.py make benchmarks/training/full.yaml bundle/   # here
    python bundle/bundle.py train --out out/      # there, as often as need be
    python benchmarks/training/bundle.py join out/ model/                             # here again

`make` writes two files of at most 64 MiB together: this script, and an archive of the package, the
policies, the config and every file that it names. `train` needs Python 3.11, torch, transformers, numpy,
pydantic, PyYAML and safetensors; it goes on from the last checkpoint under ``--work`` where it was stopped,
and writes the model folder in pieces of at most 16 MiB with their digests. `join` checks and joins them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

MOST_IN, MOST_OUT = 64 << 20, 16 << 20
ARCHIVE, LIST = "payload.tar.gz", "pieces.json"
HERE = Path(__file__).resolve()
CODE = (".py", ".yaml", ".txt", ".tsv", ".json", ".csv")


def main() -> None:
    """Carry out one of the three steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)
    make = steps.add_parser("make", help="write a bundle")
    make.add_argument("config", type=Path)
    make.add_argument("bundle", type=Path)
    train = steps.add_parser("train", help="train from the bundle that this script lies in")
    train.add_argument("--out", type=Path, required=True, help="for the pieces of the model")
    train.add_argument("--work", type=Path, default=Path("bundle-work"), help="unpacked data and checkpoints")
    train.add_argument("--device", default="auto")
    join = steps.add_parser("join", help="join the pieces of a model")
    join.add_argument("pieces", type=Path)
    join.add_argument("model", type=Path)
    given = parser.parse_args()
    if given.step == "make":
        make_bundle(given.config, given.bundle)
    elif given.step == "train":
        train_here(given.out, given.work, given.device)
    else:
        join_pieces(given.pieces, given.model)


def make_bundle(config: Path, bundle: Path) -> None:
    """Write the script and the archive.

    Args:
        config: A training config.
        bundle: Folder to write.
    """
    root = HERE.parents[2]
    bundle.mkdir(parents=True, exist_ok=True)
    with tarfile.open(bundle / ARCHIVE, "w:gz") as archive:
        for folder in ("deid", "policies"):
            for path in sorted((root / folder).rglob("*")):
                inside = path.relative_to(root)
                if path.suffix in CODE and "weights" not in inside.parts:
                    archive.add(path, inside)
        archive.add(config, "run/config.yaml")
        for path in named_files(config):
            archive.add(path, Path("run") / path.relative_to(config.resolve().parent))
    (bundle / HERE.name).write_bytes(HERE.read_bytes())
    size = sum(path.stat().st_size for path in (bundle / ARCHIVE, bundle / HERE.name))
    print(f"{bundle}: {size / (1 << 20):.1f} MiB")
    if size > MOST_IN:
        raise SystemExit(f"larger than {MOST_IN >> 20} MiB: leave corpora out of {config}")


def named_files(config: Path) -> Iterator[Path]:
    """Yield the files that a config names; corpora that are optional and absent are left out.

    Args:
        config: A training config.
    """
    from deid.encoder.train import read_spec

    spec, folder = read_spec(config), config.resolve().parent
    models = (spec.base.model, spec.described_by, *spec.teachers)
    for model in dict.fromkeys(each for each in models if each):
        yield from sorted((folder / model).iterdir())
    if not spec.base.model:
        yield from (folder / spec.base.weights, folder / spec.base.vocabulary)
    for types in spec.types:
        if not types.startswith("policy:"):
            yield from sorted(folder.glob(types))
    if spec.pools:
        yield folder / spec.pools
    carriers = {corpus.carrier for corpus in spec.corpora if corpus.carrier}
    for path in dict.fromkeys([*(corpus.path for corpus in spec.corpora), *sorted(carriers)]):
        if (folder / path).is_file():
            yield folder / path


def train_here(out: Path, work: Path, device: str) -> None:
    """Unpack, train and cut the model into pieces.

    Args:
        out: For the pieces.
        work: For the data and checkpoints; kept, so that a stopped run goes on.
        device: As for ``deid train``.
    """
    if not (work / "run").is_dir():
        with tarfile.open(HERE.parent / ARCHIVE) as archive:
            archive.extractall(work, filter="data")
    sys.path.insert(0, str(work.resolve()))
    from deid.encoder.train import Progress, Trainer, read_spec

    config = work / "run" / "config.yaml"
    trainer = Trainer(read_spec(config), config.parent, device=device)

    def report(progress: Progress) -> None:
        print(f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  {progress.seconds:.0f} s")

    cut(trainer.train(report).path, out)


def cut(model: Path, out: Path) -> None:
    """Cut the files of a model folder into pieces.

    Args:
        model: The folder.
        out: Folder to write.
    """
    out.mkdir(parents=True, exist_ok=True)
    pieces: dict[str, list[dict[str, str]]] = {}
    for path in sorted(model.iterdir()):
        with path.open("rb") as stream:
            while block := stream.read(MOST_OUT - 4096):
                name = f"{path.name}.{len(pieces.setdefault(path.name, [])):03d}"
                (out / name).write_bytes(block)
                pieces[path.name].append({"name": name, "sha256": hashlib.sha256(block).hexdigest()})
    (out / LIST).write_text(json.dumps(pieces, indent=2) + "\n", encoding="utf-8")
    print(f"{out}: {sum(map(len, pieces.values()))} pieces of {len(pieces)} files")


def join_pieces(pieces: Path, model: Path) -> None:
    """Join the pieces of a model folder; a piece that is not as written ends it.

    Args:
        pieces: Folder of `cut`.
        model: Folder to write.
    """
    from deid.encoder.weights import ModelFolder

    model.mkdir(parents=True, exist_ok=True)
    for name, parts in json.loads((pieces / LIST).read_text(encoding="utf-8")).items():
        with (model / name).open("wb") as stream:
            for part in parts:
                block = (pieces / part["name"]).read_bytes()
                if hashlib.sha256(block).hexdigest() != part["sha256"]:
                    raise SystemExit(f"{part['name']}: not as it was written; copy it again")
                stream.write(block)
    print(ModelFolder.open(model).digest)


if __name__ == "__main__":
    main()
