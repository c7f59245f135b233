"""
The charts of the status page: stacked bars over time, as SVG paths, beside an axis.

Owns the geometry and the element around it. One path draws all bars of a colour, so that a chart has a
handful of elements however many steps it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
# What stands under steps that are unknown.
_UNKNOWN_HEIGHT = 3.0
_LINES = f"M0 0h{WIDTH}M0 {HEIGHT // 2}h{WIDTH}"


@attrs.frozen
class Axis:
    """
    The scale of the bars.

    :ivar top: the value at the upper edge, not less than any step; 0: there are no bars.
    :ivar labels: of the upper edge, and of the middle.
    """

    top: int
    labels: tuple[str, str]


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
    Bars over time, with a title and axes.

    :param peak: what stands beside the title: the largest step.
    :param label: what screen readers say in place of the bars.
    :param times: what the left end of the axis of time is called, and its middle.
    :param layers: the lowest first; all of one length, and unknown at the same steps.
    """

    loader = template("chart.xml")

    def __init__(
        self,
        title: str,
        peak: str,
        label: str,
        times: tuple[str, str],
        axis: Axis,
        layers: Sequence[Layer],
    ) -> None:
        super().__init__()
        oldest, between = times
        top, middle = axis.labels if axis.top else ("", "")
        self._slots = {
            "title": title,
            "peak": peak,
            "label": label,
            "oldest": oldest,
            "between": between,
            "newest": "now",
            "top": top,
            "middle": middle,
        }
        blank = unknown_path([value is None for value in layers[0].values])
        bars = stacked_paths([[value or 0 for value in layer.values] for layer in layers], axis.top)
        colours = [layer.colour for layer in layers]
        lines = _LINES if axis.top else ""
        paths = [(lines, "lines"), (blank, "unknown"), *zip(bars, colours, strict=True)]
        self._paths = [Tag("path")(d=path, class_=colour) for path, colour in paths if path]

    @renderer
    def figure(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        return tag.fillSlots(paths=self._paths, **self._slots)


def count_axis(most: int, show: Callable[[int], str]) -> Axis:
    """Make the axis for numbers: its top is 2, 4, 6, 8 or 10, or one of these with zeros."""
    power = 10 ** (len(str(most - 1)) - 1)
    top = -(-most // (2 * power)) * 2 * power
    return Axis(top, (show(top), show(top // 2)))


def size_axis(most: int, show: Callable[[int], str]) -> Axis:
    """Make the axis for bytes: its top is a power of two."""
    top = 1 << (most - 1).bit_length() if most else 0
    return Axis(top, (show(top), show(top // 2)))


def stacked_paths(layers: Sequence[Sequence[float]], top: float) -> list[str]:
    """
    Draw the bars of each layer, those of a step on top of each other.

    :param layers: values by layer and step, the lowest layer first; all of one length.
    :param top: the value at the upper edge.
    :return: a path for each layer.
    """
    bases = [0.0] * len(layers[0])
    paths = []
    for layer in layers:
        pieces = []
        for place, value in enumerate(layer):
            if value:
                height = max(_LEAST_HEIGHT, value / top * HEIGHT)
                height = min(height, HEIGHT - bases[place])
                pieces.append(_bar(place, len(layer), bases[place], height))
                bases[place] += height
        paths.append("".join(pieces))
    return paths


def unknown_path(steps: Sequence[bool]) -> str:
    """Draw a thin band under the steps that are unknown."""
    return "".join(
        _bar(place, len(steps), 0.0, _UNKNOWN_HEIGHT, gap=0.0)
        for place, is_unknown in enumerate(steps)
        if is_unknown
    )


def _bar(place: int, count: int, base: float, height: float, gap: float = _GAP) -> str:
    step = WIDTH / count
    left, width = (place + gap / 2) * step, step * (1 - gap)
    bottom = HEIGHT - base
    return f"M{left:.1f} {bottom:.1f}v{-height:.1f}h{width:.1f}v{height:.1f}z"
