"""Tests of `rendezvous.connections.listener`; its place in a connection is tested with the client."""

from __future__ import annotations

import json

from twisted.internet.defer import fail
from twisted.internet.task import Clock

from rendezvous.connections.answers import AnswerQueue
from rendezvous.connections.listener import MailboxListener
from rendezvous.connections.output import Output
from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import DropReason
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import mailboxes, messages, schema
from rendezvous.rules.messages import Page
from tests.rendezvous.fakes import FakeTransport, Recorder, StoreRunner
from tests.rendezvous.servers import LIMITS, make_rendezvous
from tests.rendezvous.stores import OnSqlite, StoreCase
from tests.schedulers import make_scheduler
from wormhole_websocket.frames import text_frame

BOX = ("app", "box")


def stored(number: int, received: float = 0.0, arrived: float | None = None) -> StoredMessage:
    """A message of the mailbox."""
    return StoredMessage(number, "b", str(number), "", "null", received, arrived)


class ListenerTests(OnSqlite, StoreCase):
    """The mailboxes of one connection."""

    def setUp(self) -> None:
        """Have a connection that listens to nothing."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        ledger = Ledger(make_scheduler(self.clock))
        ledger.open([StoreRunner(self.store)])
        self.day = 1000.0
        self.server = make_rendezvous(self.clock, ledger, self.observer, day=lambda: self.day)
        self.transport = FakeTransport()
        self.output = Output(self.server, self.transport)
        answers = AnswerQueue(self.server, self.transport, self.output)
        self.listener = MailboxListener(
            self.server,
            0,
            self.server.scheduler.new_task(1, self.transport.serve),
            self.output,
            answers,
            lambda each: text_frame(b'"%d"' % each.number),
        )

    def heard(self) -> list[str]:
        """The messages that were sent since the last look."""
        frames, self.transport.frames = self.transport.frames, []
        return [json.loads(frame[2:]) for frame in frames]

    def present(self) -> bool:
        """Whether the mailbox is kept alive."""
        return self.server.subscriptions.is_present(BOX)

    def test_use(self) -> None:
        """A mailbox is in use from the first use to the end of it, however often it is said."""
        for _ in range(2):
            self.listener.use(BOX)
        self.assertTrue(self.present())
        for _ in range(2):
            self.listener.stop_using(BOX)
        self.assertFalse(self.present())

    def test_subscribe(self) -> None:
        """A subscription uses the mailbox, and gets its messages, old and new, once the page is there."""
        self.assertFalse(self.listener.replaying)
        self.listener.subscribe(BOX, "a")
        self.assertTrue(self.present())
        self.server.subscriptions.stored(BOX, 1, stored(2))
        self.assertEqual(self.heard(), [])
        self.listener.show_page(Page([stored(1), stored(2)], 2, 1))
        self.server.subscriptions.stored(BOX, 1, stored(3))
        self.assertEqual(self.heard(), ["1", "2", "3"])

    def test_first_use(self) -> None:
        """A subscription says whether the mailbox was not in use before."""
        self.assertTrue(self.listener.subscribe(BOX, "a"))
        self.listener.unsubscribe()
        self.assertFalse(self.listener.subscribe(BOX, "a"))

    def test_unsubscribe(self) -> None:
        """After the end of a subscription no message is sent; the mailbox stays in use."""
        self.listener.subscribe(BOX, "a")
        for _ in range(2):
            self.listener.unsubscribe()
        self.listener.show_page(Page([stored(1)], 1, 1))
        self.server.subscriptions.stored(BOX, 1, stored(2))
        self.assertEqual((self.heard(), self.present()), ([], True))
        self.assertEqual(self.server.subscriptions._by_address, {})

    def test_pages(self) -> None:
        """The next page is read once the client has read what waits for it; until then it is replaying."""
        self.store.run(lambda tx: mailboxes.open_mailbox(tx, *("app", "b", "box"), 0.0))
        for number in (1, 2, 3):
            self.store.run(
                lambda tx, number=number: messages.add(  # type: ignore[misc]
                    tx, "app", "b", "box", str(number), "", "null", LIMITS.mailbox, 0.0
                )
            )
        (row_id,) = self.store.rows(schema.mailboxes, "id")
        self.listener.subscribe(BOX, "a")
        self.output.set_full()
        self.listener.show_page(Page([stored(1)], 3, row_id))
        self.clock.advance(0)
        self.assertEqual((self.heard(), self.listener.replaying), (["1"], True))
        self.output.set_drained()
        for _ in range(2):
            self.listener.fetch_postponed()
        self.clock.advance(0)
        self.assertEqual((self.heard(), self.listener.replaying), (["2", "3"], False))

    def test_page_after_the_end(self) -> None:
        """A page that was postponed is not read any more after the end of the subscription."""
        self.listener.subscribe(BOX, "a")
        self.output.set_full()
        self.listener.show_page(Page([stored(1)], 3, 1))
        self.listener.unsubscribe()
        self.output.set_drained()
        self.listener.fetch_postponed()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_page(self) -> None:
        """A connection whose messages cannot be read is dropped; only what is unexpected is logged."""
        for failure, logged in ((LedgerUnavailable(), 0), (ZeroDivisionError(), 1)):
            self.output.dropped = False
            self.listener.subscribe(BOX, "a")
            self.patch(self.server, "read_page", lambda *_, failure=failure: fail(failure))
            self.listener.show_page(Page([stored(1)], 3, 1))
            self.assertEqual(self.transport.dropped.pop(), False)
            self.assertEqual(len(self.flushLoggedErrors()), logged)
        self.assertEqual(self.observer.drops, [DropReason.INTERNAL] * 2)

    def test_fault(self) -> None:
        """A message that cannot be sent drops the connection, and does not reach who stored it."""
        self.patch(self.transport, "write", lambda _: 1 / 0)
        self.listener.subscribe(BOX, "a")
        self.listener.show_page(Page([stored(1)], 1, 1))
        self.assertEqual(self.observer.drops, [DropReason.INTERNAL])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_timed(self) -> None:
        """Messages are timed by the steady clock where they arrived here, and not if they are older."""
        self.clock.advance(10)
        self.listener.subscribe(BOX, "a")
        self.clock.advance(5)
        self.day += 5000.0
        for arrived in (9.9, 10.0, 14.5):
            self.listener.deliver([stored(1, arrived=arrived)])
        self.assertEqual(self.observer.deliveries, [5.0, 0.5])

    def test_timed_by_the_day(self) -> None:
        """Messages of other instances are timed by the time of day, which may be set back."""
        self.listener.subscribe(BOX, "a")
        self.day = 1002.0
        for received in (999.9, 1000.0, 1001.5, 1003.0):
            self.listener.deliver([stored(1, received=received)])
        self.assertEqual(self.observer.deliveries, [2.0, 0.5, 0.0])

    def test_closed(self) -> None:
        """When the connection is gone its mailboxes are not in use, and their time to expire begins."""
        self.store.run(lambda tx: mailboxes.open_mailbox(tx, "app", "a", "box", 0.0))
        self.listener.subscribe(BOX, "a")
        self.listener.use(("app", "other"))
        self.listener.close()
        self.clock.advance(0)
        self.assertEqual(list(self.server.subscriptions.present()), [])
        self.assertEqual(self.server.subscriptions._by_address, {})
        self.assertEqual(self.store.rows(schema.mailboxes, "used"), [1000.0])
