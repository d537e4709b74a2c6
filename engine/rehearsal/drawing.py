"""Bars of numbers as inline SVG, for the page of a rehearsal. Pure: every text is escaped, every drawing labelled."""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDE: Final = 720
TALL: Final = 120
_BELOW: Final = 18

COLOURS: Final = ("c0", "c1", "c2", "c3", "c4", "c5")
"""Classes of the page's style sheet, one per channel."""


def columns(heights: Sequence[Sequence[int]], names: Sequence[str], label: str) -> str:
    """Return columns side by side, each stacked from its parts; `names` stand below, as many as fit.

    >>> columns([[1], [3]], ["a", "b"], "two").count("<rect")
    2
    """
    most = max((sum(parts) for parts in heights), default=0)
    if not most:
        return ""
    wide = WIDE / len(heights)
    gap = min(2.0, wide * 0.2)
    every = max(1, -(-len(heights) * 34 // WIDE))
    drawn = []
    for place, (parts, name) in enumerate(zip(heights, names, strict=True)):
        top = float(TALL)
        for colour, part in enumerate(parts):
            high = part / most * TALL
            if not part:
                continue
            top -= high
            where = f'x="{place * wide:.1f}" y="{top:.1f}" width="{wide - gap:.1f}" height="{high:.1f}"'
            drawn.append(
                f'<rect class="{COLOURS[colour % len(COLOURS)]}" {where}><title>{_said(name, part)}</title></rect>'
            )
        if place % every == 0:
            middle = place * wide + (wide - gap) / 2
            drawn.append(f'<text x="{middle:.1f}" y="{TALL + 13}" text-anchor="middle">{escape(name)}</text>')
    box = f'viewBox="0 0 {WIDE} {TALL + _BELOW}"'
    return f'<svg {box} role="img" aria-label="{escape(label)}">{"".join(drawn)}</svg>'


def bar(part: int, whole: int) -> str:
    """Return a bar as long as the part of the whole, for a cell of a table.

    >>> 'width="50.0"' in bar(1, 2)
    True
    """
    share = 100 * min(part, whole) / whole if whole else 0.0
    inner = f'<rect class="c0" x="0" y="0" width="{share:.1f}" height="8"/>'
    return f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{inner}</svg>'


def _said(name: str, part: int) -> str:
    return escape(f"{name}: {part:,}")
