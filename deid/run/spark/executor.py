"""What a Python worker of Spark does in a run: one processor a process; units in, files and receipts out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from functools import cache

import pyarrow as pa

from deid import errors
from deid.errors import DeidError, InputOutputError, IntegrityError, Reason
from deid.lean import admit_training_libraries
from deid.note import KnownValue
from deid.run import manifest as manifests
from deid.run.spool import Item
from deid.run.units import ItemGroup, Receipt, Reject, Unit, finished
from deid.run.workers import Desk, ModelFacts, Processor, Recipe, facts_of, lighten, run_unit

ANSWER = "answer"
"""The one column, of text, that a task answers in; `read_answer` reads it."""
_PROCESSORS: dict[str, Processor] = {}


@dataclass(frozen=True, slots=True)
class Facts:
    """What has to be the same wherever a run is worked on, or its output would depend on the place.

    Args:
        model: The model, and what computes it.
        code: Digest of this package.
    """

    model: ModelFacts
    code: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a task is told.

    Args:
        recipe: How to build the processor.
        lean: Whether the process is ours alone, and what is spared it may stay away for good.
    """

    recipe: Recipe
    lean: bool = False


def describe(batches: Iterable[pa.RecordBatch], *, order: Order) -> Iterator[pa.RecordBatch]:
    """Answer with this executor's `Facts`.

    Args:
        batches: Left unread.
        order: What to describe.
    """
    del batches
    try:
        yield _answer(facts=_facts(processor_of(order)))
    except DeidError as error:
        yield _refusal(error)


def work_on_units(
    batches: Iterable[pa.RecordBatch], *, order: Order, facts: Facts, desk: Desk
) -> Iterator[pa.RecordBatch]:
    """Work on units, write their files, and answer with a receipt for each.

    A file appears under its name when it is complete, and holds the same whoever writes it: a task that is
    tried again, twice at a time, or killed leaves nothing half done.

    Args:
        batches: One binary column: units as `pack` writes them.
        order: What to do.
        facts: What the run began with.
        desk: The folder of the unit files, which every executor sees under the same path.
    """
    try:
        for batch in batches:
            for packed in batch.column(0):
                yield _answer(receipt=_work(unpack(packed.as_py()), order, facts, desk))
    except DeidError as error:
        yield _refusal(error)


def read_answer(answer: str) -> Facts | Receipt:
    """Return what a task answered.

    Args:
        answer: A value of the column `ANSWER`.

    Raises:
        DeidError: which the task could not go on for, of the same class.
    """
    content = json.loads(answer)
    if "error" in content:
        name, message = content["error"]
        raise getattr(errors, name, InputOutputError)(message)
    if "facts" in content:
        model, code = content["facts"]
        return Facts(ModelFacts(*model), code)
    return Receipt(*content["receipt"])


def _answer(**content: Facts | Receipt) -> pa.RecordBatch:
    values = {name: astuple(value) for name, value in content.items()}
    return pa.RecordBatch.from_pydict({ANSWER: [json.dumps(values)]})


def _refusal(error: DeidError) -> pa.RecordBatch:
    content = {"error": [type(error).__name__, str(error)]}
    return pa.RecordBatch.from_pydict({ANSWER: [json.dumps(content)]})


def _work(unit: Unit, order: Order, facts: Facts, desk: Desk) -> Receipt:
    _check_folder(desk)
    receipt = finished(desk.folder, unit, run_id=desk.run_id)
    if receipt is not None:
        return receipt
    processor = processor_of(order)
    if (here := _facts(processor)) != facts:
        differing = "code of another version" if here.code != facts.code else f"model as {here.model.runtime}"
        raise IntegrityError(
            f"an executor has the {differing}; the output would depend on which executor worked on a note:"
            " install the same package and model on all of them, or use nodes of one kind"
        )
    return run_unit(processor, unit, desk)


@cache
def _check_folder(desk: Desk) -> None:
    """Make sure that what lies here under the run's path is the run, and not a folder of this node alone."""
    manifest = manifests.read_manifest(desk.folder.parent)
    if manifest is None or manifests.run_id(manifest) != desk.run_id:
        raise InputOutputError(
            f"{desk.folder.parent}: an executor does not find the run there; the run directory must lie on"
            " storage that the driver and all executors see under the same path"
        )


def processor_of(order: Order) -> Processor:
    """Return this process's processor; it is built once, though each task brings a recipe of its own.

    Args:
        order: What to build.

    Raises:
        DeidError: if it cannot be built.
    """
    recipe = order.recipe
    options = sorted((name, str(value)) for name, value in recipe.options.items())
    key = recipe.keys.key_id if recipe.keys is not None else None
    name = repr((recipe.policy.digest, key, recipe.factory, options, recipe.streams))
    if name not in _PROCESSORS:
        _PROCESSORS.clear()  # a worker serves one run at a time, and has memory for one model
        lighten(recipe)
        _PROCESSORS[name] = recipe.build()
        if not order.lean:
            admit_training_libraries()
    return _PROCESSORS[name]


def _facts(processor: Processor) -> Facts:
    return Facts(facts_of(processor), _code_digest())


@cache
def _code_digest() -> str:
    return manifests.code_digest()


def pack(unit: Unit) -> bytes:
    """Return a unit in a form that travels; `unpack` reads it.

    Args:
        unit: The unit.
    """
    groups = [
        (len(group.items), group.code, [astuple(value) for value in group.known]) for group in unit.groups
    ]
    head = {"name": unit.name, "groups": groups, "rejects": [astuple(reject) for reject in unit.rejects]}
    items = (item.to_json() for group in unit.groups for item in group.items)
    return b"".join((json.dumps(head).encode("ascii"), b"\n", *items))


def unpack(packed: bytes) -> Unit:
    """Read what `pack` wrote.

    Args:
        packed: A line for the unit, and one for each of its items.
    """
    first, *lines = packed.splitlines()
    head = json.loads(first)
    items = map(Item.from_json, lines)
    groups = tuple(
        ItemGroup(tuple(next(items) for _ in range(count)), code, tuple(KnownValue(*each) for each in known))
        for count, code, known in head["groups"]
    )
    rejects = tuple(
        Reject(ordinal, note_id, Reason(reason), detail)
        for ordinal, note_id, reason, detail in head["rejects"]
    )
    return Unit(head["name"], groups, rejects)
