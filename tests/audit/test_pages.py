from __future__ import annotations

import jinja2
import pytest

from deid.audit.pages import _environment

_ROWS = [("SSN", 0.8, (0.284, 0.995), 5), ("DATE", 0.98, (0.97, 0.99), 700), ("FAX", 0.75, (0.75, 1.0), 9)]


def _picture(floor: float) -> str:
    template: jinja2.Template = _environment().get_template("pictures.html.j2")
    return str(template.module.intervals(_ROWS, "recall", floor))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("floor", "arrows"), [(0.75, 1), (0.0, 0), (0.5, 1)])
def test_an_interval_that_begins_left_of_the_axis_has_an_arrow(floor: float, arrows: int) -> None:
    assert _picture(floor).count('class="cut"') == arrows


def test_the_numbers_of_an_interval_stand_beside_it() -> None:
    assert "80.0 % (28.4 % to 99.5 %) of 5<" in _picture(0.75)
    assert "98.0 % (97.0 % to 99.0 %) of 700<" in _picture(0.75)
