"""Writes a model for an inference runtime that knows nothing of this project."""

from __future__ import annotations

import shutil
from pathlib import Path

from deid.encoder.exported import DESCRIPTION_GRAPH, TENSORS, TEXT_GRAPH, Exported
from deid.encoder.load import Kind, count_parameters, kind_of
from deid.encoder.pretrained.card import CARD, read_card
from deid.encoder.weights import ModelFolder, default_folder, has_ranges
from deid.encoder.wordings import read_wordings, write_wordings
from deid.errors import UsageError

PRECISIONS = ("f32", "int8")
SOURCE_CARD = "source-card.md"
_CARD = Path(__file__).with_name("export_card.md")


def export_model(folder: Path | None, out: Path, *, precision: str = "f32") -> ModelFolder:
    """Write a model as ONNX graphs that any policy works with: descriptions are an input, not a part.

    Args:
        folder: A model folder with weights; the shipped one when None.
        out: The folder to write; it must be empty or not exist.
        precision: ``f32``, or ``int8`` for the products over texts; descriptions are always read in ``f32``.

    Raises:
        UsageError: if the model is of another kind or has not learned to bear 8 bits, if the folder to write
            is not empty, or if the package ``onnx`` is not installed.
        InputOutputError: if files are missing.
        IntegrityError: if files differ from their recorded digests.
    """
    source = _source(folder or default_folder())
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}; valid: {', '.join(PRECISIONS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} is there already and not an empty folder; give another for the exported model"
        )
    weights = source.weights()
    if precision == "int8" and not has_ranges(weights):
        raise UsageError(
            f"model folder {source.path}: its weights have not learned to bear 8-bit products; export f32,"
            " or train a last stage with `quantized: true`"
        )
    out.mkdir(parents=True, exist_ok=True)
    _write_graphs(source, out, quantized=precision == "int8")
    for path in source.around():
        shutil.copyfile(path, out / path.name)
    scale, bias = weights["scale"].tolist(), weights["bias"].tolist()
    facts = Exported(
        format="onnx",
        precision=precision,
        source=source.digest,
        parameters=count_parameters(source.path),
        scale=(scale[0], scale[1]),
        bias=(bias[0], bias[1]),
    )
    facts.write(out)
    _write_card(source, out, facts)
    exported = ModelFolder.sealed(out)
    stored = read_wordings(source)
    return write_wordings(exported, stored) if stored else exported


def _source(folder: Path) -> ModelFolder:
    kind = kind_of(folder)
    if kind is not Kind.DESCRIPTION:
        raise UsageError(
            f"model folder {folder} is a {kind.value}; only a {Kind.DESCRIPTION.value} can be exported"
        )
    return ModelFolder.open(folder)


def _write_graphs(source: ModelFolder, out: Path, *, quantized: bool) -> None:
    try:
        from deid.encoder.onnx_graph import Graph, Tensors
    except ImportError as error:
        raise UsageError("exporting needs the package onnx: pip install 'clinical-deid[onnx]'") from error
    config, weights = source.config(), source.weights()
    with (out / TENSORS).open("wb") as stream:
        tensors = Tensors(stream)
        reading = Graph(config, weights, tensors, quantized=quantized).reading()
        describing = Graph(config, weights, tensors, quantized=False).describing()
    for name, model in ((TEXT_GRAPH, reading), (DESCRIPTION_GRAPH, describing)):
        (out / name).write_bytes(model.SerializeToString(deterministic=True))


def _write_card(source: ModelFolder, out: Path, facts: Exported) -> None:
    card = read_card(source.path)
    if card.path:
        shutil.copyfile(card.path, out / SOURCE_CARD)
    config = source.config()
    told = f"[{SOURCE_CARD}]({SOURCE_CARD}) says" if card.path else "That model had no card which would say"
    text = _CARD.read_text(encoding="utf-8").format(
        licence=card.licence or "other",
        precision=facts.precision,
        source=facts.source,
        told=told,
        projection=config.projection,
        window=config.window + 2,
        positions=config.positions,
    )
    (out / CARD).write_text(text, encoding="utf-8")
