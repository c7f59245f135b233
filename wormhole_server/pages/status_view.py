"""
`/status` as a browser shows it.

Owns the words around the figures and how they are laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
from twisted.web.iweb import IRequest
from twisted.web.template import Element, Tag, renderer, tags

from rendezvous.moods import Mood
from wormhole_server.pages.charts import stacked, unknown
from wormhole_server.pages.html import template
from wormhole_server.pages.snapshot import Snapshot
from wormhole_server.pages.tally import Span, Tally
from wormhole_server.pages.wording import OUTCOMES, duration, moment, number, share, size


@attrs.frozen
class _Shown:
    """
    A span and what to call it.

    :ivar step: one of its steps.
    :ivar oldest: when it begins.
    """

    title: str
    source: str
    step: str
    oldest: str
    span: Span


class StatusView(Element):
    """The page of one snapshot."""

    loader = template("status.xml")

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._shown = list(_shown(snapshot))

    @renderer
    def lead(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        """Since when, and which version."""
        return tag.fillSlots(
            uptime=duration(self._snapshot.uptime_seconds),
            version=self._snapshot.version,
            moment=moment(self._snapshot.at),
        )

    @renderer
    def tiles(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        """Who is here now."""
        now = self._snapshot.now
        for figure, what in (
            (now.clients, "clients connected"),
            (now.pairs, "pairs on the relay"),
            (now.waiting, "waiting for a partner"),
        ):
            yield tag.clone().fillSlots(figure=number(figure), what=what)

    @renderer
    def legend(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        """Which colour is which outcome."""
        for mood, word in OUTCOMES.items():
            yield tag.clone().fillSlots(colour=mood.value, word=word)
        if any(None in shown.span.steps for shown in self._shown):
            yield tag.clone().fillSlots(colour="unknown", word="before this process began")

    @renderer
    def spans(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        """An hour, a day, a month."""
        for shown in self._shown:
            total = shown.span.total
            done = total.outcomes.get(Mood.HAPPY, 0)
            yield tag.clone().fillSlots(
                title=shown.title,
                source=shown.source,
                exchanges=number(total.exchanges),
                done=f", {share(done, total.exchanges)} done" if total.exchanges else "",
                sessions=number(total.sessions),
                relayed=size(total.relayed),
                charts=[_exchanges(shown), _relayed(shown)],
            )

    @renderer
    def missing(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        """Only where there are no days."""
        return tag if self._snapshot.days is None else ""

    @renderer
    def table(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        """What the charts say, for who cannot see them or wants to know exactly."""
        totals = [shown.span.total for shown in self._shown]
        return tag.fillSlots(
            heads=[tags.th(shown.title, scope="col") for shown in self._shown],
            rows=list(_rows(totals)),
        )


def _shown(snapshot: Snapshot) -> Iterator[_Shown]:
    here = "by this process since it began" if snapshot.several else "since the process began"
    everywhere = ", over all instances" if snapshot.several else ""
    if snapshot.minutes is not None:
        source = f"By the minute, counted {here}"
        yield _Shown("Last hour", source, "minute", "an hour ago", snapshot.minutes)
    if snapshot.hours is not None:
        source = f"By the hour, counted {here}"
        yield _Shown("Last day", source, "hour", "a day ago", snapshot.hours)
    if snapshot.days is not None:
        source = f"By the day in UTC, from the usage records{everywhere}"
        yield _Shown("Last 30 days", source, "day", "30 days ago", snapshot.days)


def _rows(totals: Sequence[Tally]) -> Iterator[Tag]:
    def row(name: str, show: Callable[[Tally], str]) -> Tag:
        return tags.tr(tags.th(name, scope="row"), [tags.td(show(total)) for total in totals])

    for mood, word in OUTCOMES.items():
        yield row(word, _count_of(mood))
    yield row("together", lambda total: number(total.exchanges))
    yield row("relay sessions", lambda total: number(total.sessions))
    yield row("relayed", lambda total: size(total.relayed))


def _count_of(mood: Mood) -> Callable[[Tally], str]:
    return lambda total: number(total.outcomes.get(mood, 0))


def _known(span: Span) -> list[Tally]:
    return [Tally() if step is None else step for step in span.steps]


def _exchanges(shown: _Shown) -> Element:
    steps = _known(shown.span)
    layers = [[step.outcomes.get(mood, 0) for step in steps] for mood in OUTCOMES]
    most = max((step.exchanges for step in steps), default=0)
    peak = f"at most {number(most)} in {_a(shown.step)}" if most else "none"
    label = f"Exchanges by outcome: {number(shown.span.total.exchanges)} together, {peak}"
    return _Chart(shown, "Exchanges", peak, label, layers, [mood.value for mood in OUTCOMES])


def _relayed(shown: _Shown) -> Element:
    steps = _known(shown.span)
    most = max((step.relayed for step in steps), default=0)
    peak = f"at most {size(most)} in {_a(shown.step)}" if most else "nothing"
    label = f"Bytes relayed: {size(shown.span.total.relayed)} together, {peak}"
    layers = [[step.relayed for step in steps]]
    return _Chart(shown, "Relayed", peak, label, layers, ["bytes"])


def _a(step: str) -> str:
    return f"{'an' if step == 'hour' else 'a'} {step}"


class _Chart(Element):
    """Bars over time."""

    loader = template("chart.xml")

    def __init__(
        self,
        shown: _Shown,
        title: str,
        peak: str,
        label: str,
        layers: Sequence[Sequence[float]],
        colours: Sequence[str],
    ) -> None:
        super().__init__()
        self._slots = {
            "title": title,
            "peak": peak,
            "label": label,
            "oldest": shown.oldest,
            "newest": "now",
        }
        blank = unknown([step is None for step in shown.span.steps])
        paths = [(blank, "unknown"), *zip(stacked(layers), colours, strict=True)]
        self._paths = [Tag("path")(d=path, class_=colour) for path, colour in paths if path]

    @renderer
    def figure(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        """All of it."""
        return tag.fillSlots(paths=self._paths, **self._slots)
