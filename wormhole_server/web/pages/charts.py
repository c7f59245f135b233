"""
The charts of the status page: stacked bars over time, as SVG paths.

Owns the geometry and the element around it. One path draws all bars of a colour, so that a chart has a
handful of elements however many steps it has.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.web.iweb import IRequest
from twisted.web.template import Element, Tag, renderer

from wormhole_server.web.pages.rendering import template

WIDTH = 600
HEIGHT = 100
# The gap between bars, as a share of a step.
_GAP = 0.18
# The smallest bar that can be seen.
_LEAST_HEIGHT = 1.5


@attrs.frozen
class Layer:
    """
    The bars of one colour.

    :ivar colour: a class of the style sheet.
    :ivar values: one for each step; None where it is unknown.
    """

    colour: str
    values: Sequence[float | None]


class Chart(Element):
    """
    Bars over time, with a title and an axis.

    :param peak: what stands beside the title: the largest step.
    :param label: what screen readers say in place of the bars.
    :param oldest: what the left end of the axis is called.
    :param layers: the lowest first; all of one length, and unknown at the same steps.
    """

    loader = template("chart.xml")

    def __init__(
        self, title: str, peak: str, label: str, oldest: str, layers: Sequence[Layer]
    ) -> None:
        super().__init__()
        self._slots = {
            "title": title,
            "peak": peak,
            "label": label,
            "oldest": oldest,
            "newest": "now",
        }
        blank = unknown_path([value is None for value in layers[0].values])
        bars = stacked_paths([[value or 0 for value in layer.values] for layer in layers])
        colours = [layer.colour for layer in layers]
        paths = [(blank, "unknown"), *zip(bars, colours, strict=True)]
        self._paths = [Tag("path")(d=path, class_=colour) for path, colour in paths if path]

    @renderer
    def figure(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        return tag.fillSlots(paths=self._paths, **self._slots)


def stacked_paths(layers: Sequence[Sequence[float]]) -> list[str]:
    """
    Draw the bars of each layer, those of a step on top of each other.

    :param layers: values by layer and step, the lowest layer first; all of one length.
    :return: a path for each layer.
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


def unknown_path(steps: Sequence[bool]) -> str:
    """Draw a band as high as the chart over the steps that are unknown."""
    return "".join(
        _bar(place, len(steps), 0.0, HEIGHT, gap=0.0)
        for place, is_unknown in enumerate(steps)
        if is_unknown
    )


def _bar(place: int, count: int, base: float, height: float, gap: float = _GAP) -> str:
    step = WIDTH / count
    left, width = (place + gap / 2) * step, step * (1 - gap)
    bottom = HEIGHT - base
    return f"M{left:.1f} {bottom:.1f}v{-height:.1f}h{width:.1f}v{height:.1f}z"
