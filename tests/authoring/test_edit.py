"""A threshold written into the text of a policy file: comments and layout stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from deid.authoring.edit import read_policy_text, save_policy_text, with_threshold
from deid.errors import PolicyError, UsageError
from deid.policy import load_policy

HEAD = "# ours\npolicy: ours\nversion: '1'  # first\nextends: base\n"
WHY = "  # deid policy suggest: 20 accepted"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (  # behind what is read of a type, before what is done about it
            "types:\n  PET:  # new\n    description: >-\n      The name of\n      a pet.\n    # what else\n"
            "    operator: redact\n# end\n",
            "types:\n  PET:  # new\n    description: >-\n      The name of\n      a pet.\n"
            f"    threshold: 0.083{WHY}\n    # what else\n    operator: redact\n# end\n",
        ),
        (
            "types:\n  PET:\n    operator: keep\n    description: A pet.\n    examples:\n    - Rex  # dog\n",
            "types:\n  PET:\n    operator: keep\n    description: A pet.\n    examples:\n    - Rex  # dog\n"
            f"    threshold: 0.083{WHY}\n",
        ),
        (
            "types:\n  PET: {description: A pet., operator: redact}  # new\n",
            "types:\n  PET: {description: A pet., threshold: 0.083, operator: redact}  # new\n",
        ),
        (  # one that is there
            "types:\n  PET:\n    description: A pet.\n    threshold: calibrated\n    hipaa: R\n",
            f"types:\n  PET:\n    description: A pet.\n    threshold: 0.083{WHY}\n    hipaa: R\n",
        ),
        (
            "types:\n  PET:\n    description: A pet.\n    threshold: 0.4  # deid policy suggest: 3 yes\n",
            f"types:\n  PET:\n    description: A pet.\n    threshold: 0.083{WHY}\n",
        ),
        (
            "types:\n  PET:\n    description: A pet.\n    threshold: 0.4  # as the board wants it\n",
            "types:\n  PET:\n    description: A pet.\n    threshold: 0.083  # as the board wants it\n",
        ),
        (
            "types:\n  PET: {threshold: 0.4, description: A pet.}\n",
            "types:\n  PET: {threshold: 0.083, description: A pet.}\n",
        ),
        (  # a type of the parent's
            "types:\n  MRN:\n    operator: mask  # board\n",
            f"types:\n  MRN:\n    threshold: 0.083{WHY}\n    operator: mask  # board\n",
        ),
        ("types:\n  MRN: {operator: mask}\n", "types:\n  MRN: {threshold: 0.083, operator: mask}\n"),
        ("types: {AGE: {operator: mask}}\n", "types: {AGE: {operator: mask}, MRN: {threshold: 0.083}}\n"),
        (
            "types:\n    AGE:\n        operator: mask  # 90\n\n# end",
            f"types:\n    AGE:\n        operator: mask  # 90\n    MRN:\n      threshold: 0.083{WHY}\n\n# end",
        ),
        ("", f"types:\n  MRN:\n    threshold: 0.083{WHY}\n"),
        ("types: {}\n", "types: {MRN: {threshold: 0.083}}\n"),
    ],
)
def test_a_threshold_is_put_in_its_place(tmp_path: Path, before: str, after: str) -> None:
    name = "PET" if "PET" in before else "MRN"
    path = tmp_path / "ours.yaml"
    path.write_text(HEAD + before)
    made = with_threshold(HEAD + before, name, 0.083, why="20 accepted")
    assert made.rstrip("\n") == (HEAD + after).rstrip("\n")
    save_policy_text(path, made)
    assert load_policy(path).type(name).threshold == 0.083


def test_a_text_that_cannot_be_extended_is_left_to_the_user() -> None:
    with pytest.raises(UsageError, match=r"set types\.MRN\.threshold to 0\.083 by hand"):
        with_threshold(HEAD + "types:\n  # none yet\n", "MRN", 0.083, why="")
    with pytest.raises(UsageError, match="by hand"):
        with_threshold("{policy: ours, version: '1', extends: base, types: {MRN: }}", "MRN", 0.2, why="")


def test_line_ends_and_permissions_stay_and_a_change_elsewhere_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_bytes((HEAD + "types:\n  MRN:\n    operator: mask\n").replace("\n", "\r\n").encode())
    path.chmod(0o640)
    text, digest = read_policy_text(path)
    made = with_threshold(text, "MRN", 0.2, why="20 accepted")
    save_policy_text(path, made, base=digest)
    assert path.read_bytes() == made.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(UsageError, match="changed elsewhere"):
        save_policy_text(path, text, base=digest)
    with pytest.raises(PolicyError, match="would not load"):
        save_policy_text(path, "policy: [")
    assert path.read_bytes() == made.replace("\n", "\r\n").encode()
    assert [each.name for each in tmp_path.iterdir()] == ["ours.yaml"]
