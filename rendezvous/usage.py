"""
Usage records: one row for each nameplate, mailbox and bind, blurred on request before it is written.

Owns what is kept for statistics. It holds no nameplate, mailbox id, side or address.
"""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa

from rendezvous import schema
from rendezvous.moods import Mood
from rendezvous.statements import Transaction, prepare

_P = sa.bindparam


@attrs.frozen
class Usage:
    """
    How to write usage records.

    :ivar blur_seconds: times are rounded down to a multiple of this; None leaves them as they are.
    """

    blur_seconds: float | None = None

    def nameplate_retired(
        self, tx: Transaction, app: str, mood: Mood, created: float, came: float | None, now: float
    ) -> None:
        """A nameplate is gone. `came`: when the second side arrived, None if it never did."""
        tx.later(
            _ADD_NAMEPLATE, the_app=app, **self._course(created, came, now), the_mood=mood.value
        )

    def mailbox_retired(
        self,
        tx: Transaction,
        app: str,
        mood: Mood,
        created: float,
        came: float | None,
        now: float,
        *,
        nameplate: bool,
    ) -> None:
        """A mailbox is gone. `nameplate`: whether a nameplate ever led to it."""
        tx.later(
            _ADD_MAILBOX,
            the_app=app,
            **self._course(created, came, now),
            the_mood=mood.value,
            the_nameplate=nameplate,
        )

    def client_bound(
        self, tx: Transaction, app: str, implementation: str, version: str, now: float
    ) -> None:
        """A client said which program it is."""
        tx.later(
            _ADD_CLIENT,
            the_app=app,
            the_start=self._blur(now),
            the_implementation=implementation,
            the_version=version,
        )

    def _course(self, created: float, came: float | None, now: float) -> dict[str, float | None]:
        return {
            "the_start": self._blur(created),
            "the_wait": None if came is None else self._blur(max(0.0, came - created)),
            "the_total": self._blur(max(0.0, now - created)),
        }

    def _blur(self, seconds: float) -> float:
        return blur_time(seconds, self.blur_seconds)


def blur_time(seconds: float, step_seconds: float | None) -> float:
    """`seconds`, rounded down to a multiple of the step; as it is where there is no step."""
    return seconds // step_seconds * step_seconds if step_seconds else seconds


_COURSE: dict[str, sa.BindParameter[Any]] = {
    "app": _P("the_app"),
    "started": _P("the_start"),
    "waiting_seconds": _P("the_wait"),
    "total_seconds": _P("the_total"),
    "mood": _P("the_mood"),
}
_ADD_NAMEPLATE = prepare(sa.insert(schema.nameplate_usage).values(_COURSE).inline())
_ADD_MAILBOX = prepare(
    sa.insert(schema.mailbox_usage).values({**_COURSE, "nameplate": _P("the_nameplate")}).inline()
)
_ADD_CLIENT = prepare(
    sa.insert(schema.client_usage)
    .values(
        app=_P("the_app"),
        started=_P("the_start"),
        implementation=_P("the_implementation"),
        version=_P("the_version"),
    )
    .inline()
)
