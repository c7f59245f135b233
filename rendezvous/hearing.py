"""
What follows from other instances' announcements: whoever listens here is told to look.

Owns what is made of an announcement, and that nobody misses anything over a time in which none could be
heard: then the table is asked, in steps, for the newest message of every mailbox that somebody listens to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous import schema
from rendezvous.errors import LedgerUnavailable
from rendezvous.keys import lock_key, mailbox_key
from rendezvous.ledger import Ledger
from rendezvous.news import News, decode
from rendezvous.observer import Observer
from rendezvous.statements import Transaction, prepare
from rendezvous.subscriptions import Address, Subscriptions

_log = Logger()

# Mailboxes that are asked after in one transaction: some milliseconds in the database.
STEP_MAILBOXES = 500
RETRY_SECONDS = 1.0

_M, _S = schema.mailboxes, schema.messages
_texts = ARRAY(sa.Text)
_asked = (
    sa.func.unnest(sa.bindparam("the_apps", type_=_texts), sa.bindparam("the_boxes", type_=_texts))
    .table_valued("app", "mailbox")
    .render_derived(name="asked")
)
_NEWEST = prepare(
    sa.select(
        _M.c.app,
        _M.c.mailbox,
        _M.c.id,
        sa.select(sa.func.max(_S.c.number)).where(_S.c.mailbox_id == _M.c.id).scalar_subquery(),
    ).join_from(_asked, _M, sa.and_(_M.c.app == _asked.c.app, _M.c.mailbox == _asked.c.mailbox))
)


def newest(tx: Transaction, addresses: Sequence[Address]) -> list[News]:
    """Of those mailboxes that there are and that hold something, the newest message."""
    apps, boxes = zip(*addresses, strict=True)
    rows = tx.all(_NEWEST, the_apps=list(apps), the_boxes=list(boxes))
    return [
        News(lock_key(mailbox_key(app, mailbox)), box, number)
        for app, mailbox, box, number in rows
        if number is not None
    ]


class Hearing:
    """
    The `listener.Ear` of one instance.

    :ivar deaf_now: nothing of what others store would be heard.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ledger: Ledger,
        subscriptions: Subscriptions,
        observer: Observer,
        instance: str,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._observer = observer
        self._instance = instance
        self._trusts_itself = True
        self._to_ask: list[Address] = []
        self._asking = False
        self._stopped = False
        self.deaf_now = False

    def listening(self) -> None:
        """See `listener.Ear`."""
        self.deaf_now = False
        self.look_at_everything()

    def deaf(self) -> None:
        """See `listener.Ear`."""
        self.deaf_now = True

    def concerns(self, payload: str) -> bool:
        """See `listener.Ear`. Of its own announcements who listens here has been told already."""
        own = bool(self._instance) and payload.startswith(f"{self._instance} ")
        return not (own and self._trusts_itself)

    def heard(self, payload: str) -> None:
        """See `listener.Ear`."""
        self._observer.announced()
        announcement = decode(payload)
        if announcement.news is None:
            self.look_at_everything()
            return
        for news in announcement.news:
            self._subscriptions.announced(news.key, news.box, news.number)

    def doubt(self) -> None:
        """
        Something may have been stored from here of which nobody here knows, now or in a moment.

        From now on this instance hears its own announcements too, which costs no more than reading.
        """
        self._trusts_itself = False
        self.look_at_everything()

    def look_at_everything(self) -> None:
        """Ask after all mailboxes that somebody listens to; who comes later reads for itself."""
        self._observer.caught_up()
        self._to_ask = list(self._subscriptions.listened())
        self._ask()

    def stop(self) -> None:
        """Ask after nothing more."""
        self._stopped = True
        self._to_ask.clear()

    def _ask(self) -> None:
        if self._asking or not self._to_ask or self._stopped:
            return
        self._asking = True
        some, self._to_ask = self._to_ask[:STEP_MAILBOXES], self._to_ask[STEP_MAILBOXES:]
        asked: Deferred[list[News]] = self._ledger.submit(partial(newest, addresses=some))
        asked.addCallbacks(self._answered, self._failed, errbackArgs=(some,))

    def _answered(self, found: Sequence[News]) -> None:
        self._asking = False
        for news in found:
            self._subscriptions.announced(news.key, news.box, news.number)
        self._ask()

    def _failed(self, failure: Failure, some: list[Address]) -> None:
        self._asking = False
        self._to_ask += some
        if failure.check(LedgerUnavailable) is None:
            self._observer.internal_error()
            _log.failure("mailboxes cannot be asked after, and are again later", failure)
        if not self._stopped:
            self._clock.callLater(RETRY_SECONDS, self._ask)
