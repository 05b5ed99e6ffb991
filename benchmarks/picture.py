"""Draws a bar chart as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROW, LEFT, WIDTH, RIGHT = 26, 250, 420, 110


def bars(figures: Mapping[str, float], unit: str) -> str:
    """Return a chart of `figures`, with one bar for each, in the given order."""
    longest = max(figures.values())
    height = ROW * (len(figures) + 1) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<text x="{LEFT}" y="{ROW - 8}" fill="#555">{escape(unit)}</text>',
    ]
    for index, (name, figure) in enumerate(figures.items(), start=1):
        top, length = ROW * index, WIDTH * figure / longest
        parts += [
            f'<text x="{LEFT - 8}" y="{top + 17}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top + 4}" width="{length:.1f}" height="{ROW - 8}" '
            'fill="#3b6ea5"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{top + 17}">{figure:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
