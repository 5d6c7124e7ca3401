"""The ``deid`` component in somebody's spaCy pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from tiny_encoder import write_model

from deid.detect import spacy_pipe
from deid.detect.description_recognizer import PolicyEncoder
from deid.errors import PolicyError
from deid.note import Finding

ROOT = Path(__file__).parents[2]
RULES = """\
policy: rules-only
version: "1"
method: custom
default_operator: redact
types:
  PHONE: {description: a telephone number, detect: [rules]}
  BADGE:
    description: the number of a badge
    detect: [rules]
    patterns: [{regex: 'badge(?P<phi>[0-9]+)', score: 0.7}]
"""
TEXT = "Call 617-555-0142, badge4711x."
FOUND = [("617-555-0142", "PHONE"), ("badge4711x", "BADGE")]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("policies") / "rules-only.yaml"
    path.write_text(RULES, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def nlp(rules: str) -> spacy.Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("deid", config={"policy": rules})
    return nlp


def spans(doc: Doc) -> list[tuple[str, str]]:
    return [(span.text, span.label_) for span in doc.spans[spacy_pipe.SPANS_KEY]]


def test_spans_are_whole_tokens_with_scores(nlp: spacy.Language) -> None:
    doc = nlp(TEXT)
    group = doc.spans[spacy_pipe.SPANS_KEY]
    assert spans(doc) == FOUND
    assert len(group.attrs["scores"]) == len(group)
    assert group.attrs["scores"][1] == 0.7
    assert doc.text == TEXT
    assert not doc.user_data


@pytest.mark.parametrize("text", ["", "   ", "No fever."])
def test_nothing_found_is_an_empty_group(nlp: spacy.Language, text: str) -> None:
    assert (spans(nlp(text)), nlp(text).spans[spacy_pipe.SPANS_KEY].attrs) == ([], {"scores": []})


def test_batches_equal_single_docs(nlp: spacy.Language) -> None:
    texts = [TEXT, "", "No fever.", f"{TEXT} {TEXT}"]
    assert [spans(doc) for doc in nlp.pipe(texts, batch_size=3)] == [spans(nlp(text)) for text in texts]
    pairs = nlp.pipe([(text, number) for number, text in enumerate(texts)], as_tuples=True)
    assert [number for _, number in pairs] == [0, 1, 2, 3]


def test_docs_survive_serialization(nlp: spacy.Language) -> None:
    doc = nlp(TEXT)
    again = Doc(spacy.blank("en").vocab).from_bytes(doc.to_bytes())
    assert spans(again) == FOUND
    assert again.spans[spacy_pipe.SPANS_KEY].attrs == doc.spans[spacy_pipe.SPANS_KEY].attrs


def test_pipelines_survive_the_disk(nlp: spacy.Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "pipeline")
    assert spans(spacy.load(tmp_path / "pipeline")(TEXT)) == FOUND


def test_other_components_keep_their_work(rules: str) -> None:
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "VERB", "pattern": "Call"}])
    nlp.add_pipe("deid", config={"policy": rules})
    doc = nlp(TEXT)
    assert [(span.text, span.label_) for span in doc.ents] == [("Call", "VERB")]
    assert spans(doc) == FOUND


def test_the_encoder_reads_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nlp: spacy.Language
) -> None:
    sizes: list[int] = []
    find = PolicyEncoder.find

    def counted(self: PolicyEncoder, texts: Sequence[str]) -> list[tuple[Finding, ...]]:
        sizes.append(len(texts))
        return find(self, texts)

    monkeypatch.setattr(PolicyEncoder, "find", counted)
    described = tmp_path / "described.yaml"
    by_encoder = "threshold: 0.001, detect: [encoder]"
    types = RULES[: RULES.index("  BADGE")].replace("detect: [rules]", by_encoder)
    described.write_text(types, encoding="utf-8")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("deid", config={"policy": str(described), "model": str(write_model(tmp_path, seed=75))})
    docs = list(pipeline.pipe([TEXT] * 5, batch_size=2))
    assert sizes == [2, 2, 1]
    assert spans(docs[0])
    assert all(spans(doc) == spans(pipeline(TEXT)) for doc in docs)


def test_a_detector_that_fails_lets_no_doc_pass(nlp: spacy.Language, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("deid.detect.rule_recognizer.RuleRecognizer.find", fail)
    with pytest.raises(RuntimeError, match="out of order"):
        list(nlp.pipe([TEXT, TEXT]))
    with pytest.raises(RuntimeError, match="out of order"):
        nlp(TEXT)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(PolicyError, match="did you mean 'safe-harbor'"):
        spacy.blank("en").add_pipe("deid", config={"policy": "safe-harbour"})


PROGRAM = """\
import sys, spacy
nlp = spacy.blank("en")
light = not {"openvino", "deid.detect.engine"} & sys.modules.keys()
nlp.add_pipe("deid", config={"policy": sys.argv[1]})
doc = nlp(sys.argv[2])
print(light, [span.label_ for span in doc.spans["deid"]])
"""


def test_the_entry_point_makes_an_import_needless(tmp_path: Path, rules: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]["spacy_factories"]
    installed = tmp_path / "embedded_deid-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: embedded-deid\nVersion: 1.0\n")
    lines = [f"{name} = {target}\n" for name, target in points.items()]
    (installed / "entry_points.txt").write_text("".join(["[spacy_factories]\n", *lines]))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, rules, TEXT],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("True ['PHONE', 'BADGE']", 0), done.stderr
