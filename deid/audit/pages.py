"""Pages for people: self-contained HTML without scripts, and Markdown, from the templates here."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def render(template: str, **values: Any) -> str:
    """Fill in a template.

    Args:
        template: Its file name; values are escaped in those that end in ``.html.j2``.
        values: What it shows.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deid.audit", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "range": _range,
        "count": "{:,}".format,
        "cell": _cell,
    }
    return environment


def _percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _range(bounds: tuple[float, float]) -> str:
    """Write an interval of shares as percentages."""
    low, high = bounds
    return f"{_percent(low)} to {_percent(high)}"


def _cell(value: object) -> str:
    """Write a value so that it stays in its cell of a Markdown table and is not taken for markup."""
    text = " ".join(str(value).split())
    return "".join(f"\\{sign}" if sign in "\\|`*_<>[]#" else sign for sign in text)
