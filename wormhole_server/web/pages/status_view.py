"""
The status page as a browser shows it.

Owns the words around the figures, and their layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
from twisted.web.iweb import IRequest
from twisted.web.template import Element, Tag, renderer, tags

from rendezvous.protocol.moods import Mood
from wormhole_limits.bounds import Bound
from wormhole_server.metrics.history import Tally, TimeSeries
from wormhole_server.web.pages.charts import Chart, Layer, count_axis, size_axis
from wormhole_server.web.pages.formatting import OUTCOMES, duration, moment, number, share, size
from wormhole_server.web.pages.rendering import template
from wormhole_server.web.pages.snapshot import StatusSnapshot

_HOUR = ("an hour ago", "30 minutes ago")
_DAY = ("a day ago", "12 hours ago")
_MONTH = ("30 days ago", "15 days ago")


@attrs.frozen
class _Section:
    """
    A time series and what to call it.

    :ivar step: the name of one of its steps.
    :ivar times: the names of its beginning and of its middle.
    """

    title: str
    source: str
    step: str
    times: tuple[str, str]
    series: TimeSeries


class StatusView(Element):
    """The page of one snapshot."""

    loader = template("status.xml")

    def __init__(self, snapshot: StatusSnapshot) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._sections = list(_sections(snapshot))

    @renderer
    def lead(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002 - twisted.web.template's
        version = self._snapshot.version
        return tag.fillSlots(
            uptime=duration(self._snapshot.uptime_seconds),
            version=f", version {version}" if version is not None else "",
            moment=moment(self._snapshot.time),
        )

    @renderer
    def tiles(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        now = self._snapshot.now
        for figure, what in (
            (now.clients, "clients connected"),
            (now.pairs, "pairs on the relay"),
            (now.waiting, "waiting on the relay"),
        ):
            yield tag.clone().fillSlots(figure=number(figure), what=what)

    @renderer
    def legend(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        for mood, word in OUTCOMES.items():
            yield tag.clone().fillSlots(colour=mood.value, word=word)
        if any(None in section.series.steps for section in self._sections):
            yield tag.clone().fillSlots(colour="unknown", word="before this process started")

    @renderer
    def sections(self, request: IRequest | None, tag: Tag) -> Iterator[Tag]:  # noqa: ARG002
        for section in self._sections:
            total = section.series.total
            yield tag.clone().fillSlots(
                title=section.title,
                source=section.source,
                exchanges=number(total.exchanges),
                ended=_ended(total),
                sessions=number(total.sessions),
                sessions_ended=f"relay {_plural('session', total.sessions)} ended",
                relayed=size(total.relayed),
                charts=[_exchanges(section), _relayed(section)],
            )

    @renderer
    def missing(self, request: IRequest | None, tag: Tag) -> Tag | str:  # noqa: ARG002
        return tag if self._snapshot.days is None else ""

    @renderer
    def bounds(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        return tag(_bounds(self._snapshot.bounds))

    @renderer
    def table(self, request: IRequest | None, tag: Tag) -> Tag:  # noqa: ARG002
        # The exact figures of the charts, also for readers who cannot see the charts.
        totals = [section.series.total for section in self._sections]
        return tag.fillSlots(
            heads=[tags.th(section.title, scope="col") for section in self._sections],
            rows=list(_rows(totals)),
        )


def _sections(snapshot: StatusSnapshot) -> Iterator[_Section]:
    here = "by this process since it started" if snapshot.several_instances else "since the start"
    everywhere = " of all instances" if snapshot.several_instances else ""
    if snapshot.minutes is not None:
        source = f"Per minute, counted {here}"
        yield _Section("Last hour", source, "minute", _HOUR, snapshot.minutes)
    if snapshot.hours is not None:
        source = f"Per hour, counted {here}"
        yield _Section("Last day", source, "hour", _DAY, snapshot.hours)
    if snapshot.days is not None:
        source = f"Per day in UTC, from the usage records{everywhere}"
        yield _Section("Last 30 days", source, "day", _MONTH, snapshot.days)


def _ended(total: Tally) -> str:
    """Exchanges count once they have ended: those under way are in no figure."""
    ended = f"{_plural('exchange', total.exchanges)} ended"
    if not total.exchanges:
        return ended
    completed = total.outcomes.get(Mood.HAPPY, 0)
    return f"{ended}, {share(completed, total.exchanges)} completed"


def _bounds(met: Mapping[Bound, int]) -> str:
    """One sentence: how often clients took more than they may, and of what."""
    some = sorted((bound for bound in met if met[bound]), key=lambda bound: -met[bound])
    if not some:
        return "In the last day no client has met a limit."
    total = sum(met.values())
    kinds = ", ".join(f"{bound.value.replace('_', ' ')} {number(met[bound])}" for bound in some)
    times = _plural("time", total)
    return f"In the last day clients have met a limit {number(total)} {times}: {kinds}."


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _rows(totals: Sequence[Tally]) -> Iterator[Tag]:
    def row(name: str, show: Callable[[Tally], str]) -> Tag:
        return tags.tr(tags.th(name, scope="row"), [tags.td(show(total)) for total in totals])

    for mood, word in OUTCOMES.items():
        yield row(word, _shown_count_of(mood))
    yield row("all exchanges", lambda total: number(total.exchanges))
    yield row("relay sessions", lambda total: number(total.sessions))
    yield row("bytes relayed", lambda total: size(total.relayed))


def _count_of(mood: Mood) -> Callable[[Tally], int]:
    return lambda tally: tally.outcomes.get(mood, 0)


def _shown_count_of(mood: Mood) -> Callable[[Tally], str]:
    return lambda tally: number(tally.outcomes.get(mood, 0))


def _exchanges(section: _Section) -> Chart:
    series = section.series
    layers = [Layer(mood.value, _values(series, _count_of(mood))) for mood in OUTCOMES]
    most = _most(series, lambda step: step.exchanges)
    peak = _peak(section, most, number)
    label = f"Exchanges by outcome: {number(series.total.exchanges)} in total, {peak}"
    return Chart("Exchanges", peak, label, section.times, count_axis(most, number), layers)


def _relayed(section: _Section) -> Chart:
    series = section.series
    layers = [Layer("bytes", _values(series, lambda step: step.relayed))]
    most = _most(series, lambda step: step.relayed)
    peak = _peak(section, most, size)
    label = f"Bytes relayed: {size(series.total.relayed)} in total, {peak}"
    return Chart("Relayed", peak, label, section.times, size_axis(most, size), layers)


def _values(series: TimeSeries, value: Callable[[Tally], int]) -> list[float | None]:
    return [None if step is None else value(step) for step in series.steps]


def _most(series: TimeSeries, value: Callable[[Tally], int]) -> int:
    return max((value(step) for step in series.steps if step is not None), default=0)


def _peak(section: _Section, most: int, show: Callable[[int], str]) -> str:
    return f"at most {show(most)} per {section.step}" if most else "none"
