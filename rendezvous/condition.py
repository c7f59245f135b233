"""
Whether the database answers and takes what it is given, which is what a load balancer asks.

Owns when that is only asked, and when it is tried. A database that can be read may still refuse whatever is
to be stored: its disk is full, or it has become read-only. To find out costs a commit that reaches the disk,
so it is done now and then, and every time while there is doubt.

All lanes are asked: where one waits for the database, so do the clients whose commands it carries.
"""

from __future__ import annotations

import sqlalchemy as sa
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from rendezvous import schema
from rendezvous.ledger import Ledger
from rendezvous.statements import Transaction, prepare

# One flush a minute, however often it is asked for, is nothing to any disk.
_TRY_SECONDS = 60.0
# No mailbox has it.
_NOBODY = -1

_D = schema.discarded_mailboxes
_ALIVE = prepare(sa.select(sa.literal_column("1")))
_PUT = prepare(sa.insert(_D).values(mailbox_id=sa.bindparam("the_id")))
_TAKE = prepare(sa.delete(_D).where(_D.c.mailbox_id == sa.bindparam("the_id")))


class Condition:
    """What is known of the database."""

    def __init__(self, clock: IReactorTime, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger
        self._doubtful = True
        self._tried = 0.0

    def refused(self) -> None:
        """It did not take something."""
        self._doubtful = True

    def check(self) -> Deferred[None]:
        """Fires when the database has answered; fails with `LedgerUnavailable` while it is of no use."""
        now = self._clock.seconds()
        # The clock is that of the day, which may be set back.
        self._doubtful |= abs(now - self._tried) >= _TRY_SECONDS
        first = self._ledger.submit(_try if self._doubtful else _ask)
        if self._doubtful:
            first.addCallback(self._taken, now)
        others = range(1, self._ledger.backlog().lanes)
        all_of_them = [first, *(self._ledger.submit(_ask, lane=lane) for lane in others)]
        asked = gatherResults(all_of_them, consumeErrors=True)
        return asked.addCallbacks(lambda _: None, _plain)

    def _taken(self, _: None, now: float) -> None:
        self._doubtful = False
        self._tried = now


def _plain(failure: Failure) -> Failure:
    """Of the first that failed."""
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure


def _ask(tx: Transaction) -> None:
    tx.one(_ALIVE)


def _try(tx: Transaction) -> None:
    """Store something, and leave nothing behind."""
    tx.run(_PUT, the_id=_NOBODY)
    tx.run(_TAKE, the_id=_NOBODY)
