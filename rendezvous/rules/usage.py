"""
The usage records: one row for each nameplate and mailbox that was removed and for each bind of a client.

Owns what is kept for statistics, and how it is blurred before it is written. A record holds no nameplate,
mailbox id, side or address.
"""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa

from rendezvous.ledger.statements import prepare
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood
from rendezvous.rules import schema

_P = sa.bindparam


@attrs.frozen
class Usage:
    """
    Writes usage records.

    :ivar blur_seconds: times are rounded down to a multiple of this; None and 0 leave them as they are.
    """

    blur_seconds: float | None

    def nameplate_retired(
        self, tx: Transaction, app: str, mood: Mood, created: float, came: float | None, now: float
    ) -> None:
        """
        Record that a nameplate was removed.

        :param created: when it was created, seconds since the epoch, like the next two.
        :param came: when the second side claimed it, None if none did.
        :param now: when it was removed.
        """
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
        """
        Record that a mailbox was removed.

        :param created: when it was created, seconds since the epoch, like the next two.
        :param came: when the second side opened it, None if none did.
        :param now: when it was removed.
        :param nameplate: whether a nameplate ever pointed to it.
        """
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
        """
        Record which program a client is, as it says in `bind`.

        :param now: seconds since the epoch.
        """
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
    """Round down to a multiple of `step_seconds`; None and 0 leave the time as it is."""
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
