"""Small pieces of HTML. Every string that comes from a user passes through `text`."""

import html
import json
from collections.abc import Iterable, Sequence

import numpy as np

UNKNOWN = "–"


def text(value: object) -> str:
    """Return a value as text that is safe inside an element or a quoted attribute."""
    return html.escape(str(value), quote=True)


def json_for_script(value: object) -> str:
    """Return JSON that may stand inside a ``<script>`` element, whatever strings it holds."""
    plain = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: object, digits: int = 1, unit: str = "") -> str:
    """Return a number with a proper minus sign, or a dash where it is unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
        return UNKNOWN
    shown = f"{value:.{digits}f}"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return shown.replace("-", "−") + unit


def percent(fraction: object) -> str:
    """Return a fraction as per cent; a small part that is not nothing stays visible."""
    if isinstance(fraction, int | float | np.number) and 0 < fraction < 0.005:
        return "< 1 %"
    if isinstance(fraction, int | float | np.number) and 0.995 < fraction < 1:
        return "> 99 %"
    return number(100 * fraction, 0, " %") if isinstance(fraction, int | float | np.number) else UNKNOWN


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", numeric_from: int = 1) -> str:
    """Return a table from cells that are HTML already; columns from `numeric_from` on are set as numbers."""
    kinds = ["" if i < numeric_from else ' class="n"' for i in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{cell}</th>' for cell, kind in zip(head, kinds, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    title = f"<caption>{caption}</caption>" if caption else ""
    return f'<div class="scroll"><table>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def section(key: str, title: str, body: str) -> str:
    """Return one numbered section of the page; `title` and `body` are HTML already."""
    return f'<section id="{key}"><h2>{title}</h2>\n{body}\n</section>\n'


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Return ``"1 camera"`` or ``"4 cameras"``."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"
