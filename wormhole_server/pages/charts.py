"""
Bars as the outlines of SVG paths. Pure.

Owns the geometry. One path draws all bars of a colour, so that a chart is a handful of elements however
many steps it has.
"""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 600
HEIGHT = 100
# Of a step's width, so that bars can be told apart.
_GAP = 0.18
# A bar that is not nothing can be seen.
_LEAST_HEIGHT = 1.5


def stacked(layers: Sequence[Sequence[float]]) -> list[str]:
    """
    The outline of each layer, all bars of a step on top of each other.

    :param layers: by layer and step, the lowest first; all of one length.
    """
    totals = [sum(step) for step in zip(*layers, strict=True)]
    top = max(totals, default=0)
    bases = [0.0] * len(totals)
    paths = []
    for layer in layers:
        pieces = []
        for place, value in enumerate(layer):
            if value and top:
                height = max(_LEAST_HEIGHT, value / top * HEIGHT)
                height = min(height, HEIGHT - bases[place])
                pieces.append(_bar(place, len(layer), bases[place], height))
                bases[place] += height
        paths.append("".join(pieces))
    return paths


def unknown(steps: Sequence[bool]) -> str:
    """The outline of the steps of which nothing is known: a band as high as the chart."""
    return "".join(
        _bar(place, len(steps), 0.0, HEIGHT, gap=0.0) for place, is_so in enumerate(steps) if is_so
    )


def _bar(place: int, count: int, base: float, height: float, gap: float = _GAP) -> str:
    step = WIDTH / count
    left, width = (place + gap / 2) * step, step * (1 - gap)
    bottom = HEIGHT - base
    return f"M{left:.1f} {bottom:.1f}v{-height:.1f}h{width:.1f}v{height:.1f}z"
