"""
Announcements: what this instance does when another one has stored messages.

Owns how an announcement reaches the subscriptions, and that no message is missed over a time without
announcements: afterwards the table is asked, in steps, for the newest message of every mailbox that has
subscribers. Knows no connection; `ledger.listener` has that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs
import sqlalchemy as sa
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.announcement import NewMessages, decode
from rendezvous.ledger.keys import lock_key, mailbox_key
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.statements import prepare_query
from rendezvous.ledger.transaction import Transaction
from rendezvous.observer import RendezvousObserver
from rendezvous.rules import schema
from rendezvous.subscriptions import Address, Subscriptions

_log = Logger()

# Mailboxes per transaction: some milliseconds in the database.
STEP_MAILBOXES = 500
RETRY_SECONDS = 1.0


@attrs.frozen
class _Newest:
    """A mailbox and the number of its newest message, None if it has no message."""

    app: str
    mailbox: str
    id: int
    number: int | None


_M, _S = schema.mailboxes, schema.messages
_texts = sa.ARRAY(sa.Text)
_asked = (
    sa.func.unnest(sa.bindparam("the_apps", type_=_texts), sa.bindparam("the_boxes", type_=_texts))
    .table_valued("app", "mailbox")
    .render_derived(name="asked")
)
_NEWEST = prepare_query(
    sa.select(
        _M.c.app,
        _M.c.mailbox,
        _M.c.id,
        sa.select(sa.func.max(_S.c.number))
        .where(_S.c.mailbox_id == _M.c.id)
        .scalar_subquery()
        .label("number"),
    ).join_from(_asked, _M, sa.and_(_M.c.app == _asked.c.app, _M.c.mailbox == _asked.c.mailbox)),
    _Newest,
)


def newest_messages(tx: Transaction, addresses: Sequence[Address]) -> list[NewMessages]:
    """Return the newest message of each of the mailboxes that exists and is not empty."""
    apps, boxes = zip(*addresses, strict=True)
    found = tx.all(_NEWEST, the_apps=list(apps), the_boxes=list(boxes))
    return [
        NewMessages(lock_key(mailbox_key(each.app, each.mailbox)), each.id, each.number)
        for each in found
        if each.number is not None
    ]


class Announcements(Service):
    """
    An `AnnouncementReceiver` that makes the subscriptions fetch what other instances have stored.

    :param clock: runs the retries.
    :param instance: this instance's name in announcements; empty if there is only one instance.
    :ivar interrupted: whether announcements of other instances are being missed at the moment.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ledger: Ledger,
        subscriptions: Subscriptions,
        observer: RendezvousObserver,
        instance: str,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._observer = observer
        self._instance = instance
        self._skips_own = True
        self._to_check: list[Address] = []
        self._checking = False
        self._retry: IDelayedCall | None = None
        self.interrupted = False

    def stopService(self) -> None:
        """Check nothing more."""
        super().stopService()  # type: ignore[no-untyped-call]
        retry, self._retry = self._retry, None
        if retry is not None:
            retry.cancel()

    def connected(self) -> None:
        """See `AnnouncementReceiver`."""
        self.interrupted = False
        self.catch_up()

    def disconnected(self) -> None:
        """See `AnnouncementReceiver`."""
        self.interrupted = True

    def is_relevant(self, payload: str) -> bool:
        """See `AnnouncementReceiver`. Subscribers already know what this instance has stored."""
        own = bool(self._instance) and payload.startswith(f"{self._instance} ")
        return not (own and self._skips_own)

    def received(self, payload: str) -> None:
        """See `AnnouncementReceiver`."""
        self._observer.announced()
        announcement = decode(payload)
        if announcement.stored is None or not self._announce(announcement.stored):
            self.catch_up()

    def include_own(self) -> None:
        """
        Stop skipping this instance's own announcements, and catch up.

        For a commit whose outcome is unknown: it may have stored messages that nobody here knows of, now or
        in a moment.
        """
        self._skips_own = False
        self.catch_up()

    def catch_up(self) -> None:
        """Check every mailbox that has subscribers. Later subscribers read the table themselves."""
        self._observer.caught_up()
        self._to_check = list(self._subscriptions.subscribed())
        self._check()

    def _check(self) -> None:
        self._retry = None
        if self._checking or not self._to_check or not self.running:
            return
        self._checking = True
        some, self._to_check = self._to_check[:STEP_MAILBOXES], self._to_check[STEP_MAILBOXES:]
        newest: Deferred[list[NewMessages]] = self._ledger.submit(
            partial(newest_messages, addresses=some)
        )
        newest.addCallbacks(self._checked, self._failed, errbackArgs=(some,))

    def _checked(self, found: Sequence[NewMessages]) -> None:
        self._checking = False
        self._announce(found)
        self._check()

    def _announce(self, stored: Sequence[NewMessages]) -> bool:
        """Tell the subscriptions; return whether all could be told."""
        told = True
        for each in stored:
            try:
                self._subscriptions.announced(each.key, each.mailbox_id, each.number)
            except Exception:  # a fault in one mailbox must not keep the others from their messages
                told = False
                self._observer.internal_error()
                _log.failure("Subscribers could not be told of new messages")
        return told

    def _failed(self, failure: Failure, some: list[Address]) -> None:
        self._checking = False
        self._to_check += some
        if failure.check(LedgerUnavailable) is None:
            self._observer.internal_error()
            _log.failure("Checking mailboxes for new messages failed, and is tried again", failure)
        if self.running:
            self._retry = self._clock.callLater(RETRY_SECONDS, self._check)
