"""Tests of `rendezvous.commands.mailboxes`."""

from __future__ import annotations

from typing import Any

from rendezvous.commands.command import Command
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import mailbox_key
from rendezvous.protocol import replies
from rendezvous.protocol.envelope import MAX_LABEL_BYTES
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.messages import Page
from rendezvous.rules.sql.messages import Added
from rendezvous.subscriptions import Subscription
from tests.rendezvous.conversations import ARRIVED, NOW, BoundCase, command
from tests.rendezvous.fakes import Recorder, RecordingSubscriber
from tests.rendezvous.servers import make_context
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase

BOX = ("app", "box")
LONG_SIDE = "s" * 256


class OrderTests(BoundCase):
    """What is allowed when, as a client sees it."""

    def test_open_needs_a_mailbox(self) -> None:
        """An open without a mailbox is told that; a malformed one does not count."""
        self.refuse("open requires 'mailbox'", "open")
        self.refuse("'mailbox' must be a string", "open", mailbox=5)
        self.say("open", mailbox="box")

    def test_second_open(self) -> None:
        """A connection opens once, and is told so before the form of the second is looked at."""
        self.say("open", mailbox="box")
        for fields in ({"mailbox": "box"}, {"mailbox": "other"}, {}, {"mailbox": 5}):
            self.refuse("only one open per connection", "open", **fields)
        self.say("close")
        self.refuse("only one open per connection", "open", mailbox="box")

    def test_add_before_open(self) -> None:
        """An add needs an open mailbox, and is told so before its form is looked at."""
        for fields in ({"phase": "0", "body": "ab"}, {}, {"phase": 1}):
            self.refuse("must open mailbox before adding", "add", **fields)

    def test_add_after_close(self) -> None:
        """A mailbox that was closed takes nothing more from this connection."""
        self.say("open", mailbox="box")
        self.say("close")
        self.refuse("must open mailbox before adding", "add", phase="0", body="ab")

    def test_incomplete_add(self) -> None:
        """An add needs a phase, then a body."""
        self.say("open", mailbox="box")
        self.refuse("missing 'phase'", "add")
        self.refuse("missing 'phase'", "add", body="ab")
        self.refuse("missing 'body'", "add", phase="0")
        self.refuse("missing 'body'", "add", phase=1)

    def test_long_id(self) -> None:
        """The id of an add has a greatest length, counted in bytes of its JSON."""
        self.say("open", mailbox="box")
        longest = "x" * (MAX_LABEL_BYTES - 2)
        self.say("add", phase="0", body="ab", id=longest)
        self.refuse(
            f"'id' must have at most {MAX_LABEL_BYTES} bytes",
            "add",
            phase="0",
            body="ab",
            id=longest + "x",
        )

    def test_close_before_open(self) -> None:
        """A close that names nothing must follow an open; a claim does not do."""
        self.refuse("close without mailbox must follow open", "close")
        self.say("claim", nameplate="7")
        self.refuse("close without mailbox must follow open", "close", mood="happy")

    def test_close_by_name(self) -> None:
        """A connection that has opened nothing may close by name, as after a reconnect."""
        self.say("close", mailbox="box", mood="scary")
        self.refuse("only one open per connection", "open", mailbox="box")

    def test_close_of_another(self) -> None:
        """A connection closes what it opened, and nothing else."""
        self.say("open", mailbox="box")
        self.refuse("open and close must use same mailbox", "close", mailbox="other")
        self.say("add", phase="0", body="ab")
        self.say("close", mailbox="box")

    def test_malformed_close(self) -> None:
        """A close whose values have the wrong form does not count."""
        self.say("open", mailbox="box")
        self.refuse("'mailbox' must be a string", "close", mailbox=5)
        self.refuse("'mood' must be a string", "close", mood=5)
        self.say("close", mood=None)

    def test_second_close(self) -> None:
        """A connection closes once, and is told so whatever it names then."""
        self.say("open", mailbox="box")
        self.say("close")
        for fields in ({}, {"mailbox": "box"}, {"mailbox": "other"}, {"mailbox": 5}):
            self.refuse("only one close per connection", "close", **fields)

    def test_all_at_once(self) -> None:
        """A client need not wait for any answer: all commands of an exchange are taken in a row."""
        self.say("claim", nameplate="7")
        self.say("open", mailbox="box")
        self.say("add", phase="pake", body="00")
        self.say("add", phase="version", body="01")
        self.say("release")
        self.say("close")


class RefusedTests(BoundCase):
    """Commands that the ledger refuses."""

    def test_open(self) -> None:
        """After a refused open nothing is open, and another may be tried."""
        said = self.say("open", mailbox="box")
        said.start(self.listener)
        self.undo(said)
        self.assertEqual(self.listener.take()[1:], [("unsubscribe",), ("stop using", BOX)])
        self.refuse("must open mailbox before adding", "add", phase="0", body="ab")
        self.refuse("close without mailbox must follow open", "close")
        self.say("open", mailbox="other")
        self.say("add", phase="0", body="ab")

    def test_open_of_a_mailbox_in_use(self) -> None:
        """A refused open takes nothing away: the connection uses the mailbox as before."""
        self.undo(self.say("open", mailbox="box"))
        self.assertEqual(self.listener.take(), [("unsubscribe",)])
        self.listener.use(BOX)
        said = self.say("open", mailbox="box")
        said.start(self.listener)
        self.undo(said)
        self.assertEqual(self.listener.take()[-1], ("unsubscribe",))

    def test_open_behind_a_close(self) -> None:
        """An open that is refused after the close was taken does not undo the close."""
        opening = self.say("open", mailbox="box")
        self.say("close")
        self.undo(opening)
        self.refuse("only one close per connection", "close")
        self.refuse("only one open per connection", "open", mailbox="box")
        self.assertEqual(self.conversation.mailbox, "box")

    def test_close(self) -> None:
        """A refused close may be tried again, by name or without; the connection gets no more messages."""
        self.say("open", mailbox="box")
        self.undo(self.say("close"))
        self.assertEqual(self.listener.take(), [("unsubscribe",)])
        self.undo(self.say("close"))
        self.say("close", mailbox="box")

    def test_add(self) -> None:
        """A refused add changes nothing else."""
        self.say("open", mailbox="box")
        self.undo(self.say("add", phase="0", body="ab"))
        self.say("add", phase="0", body="ab")
        self.assertEqual(self.listener.take(), [])


class ResultTests(BoundCase):
    """What follows from a result."""

    def test_open(self) -> None:
        """The connection subscribes before the ledger is asked; its page is all of the answer."""
        said = self.say("open", mailbox="box")
        said.start(self.listener)
        self.assertEqual(self.listener.take(), [("subscribe", BOX, self.conversation.side)])
        page = Page([], 0)
        self.assertIsNone(self.reply(said, page))
        said.finish(self.listener, page)
        self.assertEqual(self.listener.take(), [("page", page)])

    def test_add(self) -> None:
        """An add changes nothing for the connection: its message comes to it like any other."""
        self.say("open", mailbox="box")
        said = self.say("add", phase="0", body="é")
        self.assertIsNone(self.reply(said, Added(5, 3)))
        said.start(self.listener)
        said.finish(self.listener, Added(5, 3))
        self.assertEqual(self.listener.take(), [])
        self.assertEqual(said.stored_number(Added(5, 3)), 3)

    def test_size(self) -> None:
        """An add holds its body in memory: where one character takes four bytes, all do."""
        self.say("open", mailbox="box")
        for body, size in (("", 0), ("a" * 9_999, 9_999), ("a" * 9_999 + "😀", 40_000)):
            said = self.say("add", phase="0", body=body)
            self.assertTrue(size < said.size < size + 100)

    def test_close(self) -> None:
        """After a close the connection gets no more messages and does not keep the mailbox alive."""
        said = self.say("close", mailbox="box")
        said.start(self.listener)
        self.assertEqual(self.listener.take(), [])
        self.assertEqual(self.reply(said, Retired(Mood.HAPPY)), {"type": "closed"})
        said.finish(self.listener, Retired())
        self.assertEqual(self.listener.take(), [("unsubscribe",), ("stop using", BOX)])


class LedgerRules(StoreCase):
    """Commands carried out."""

    __test__ = False

    def setUp(self) -> None:
        """Begin with an empty database."""
        super().setUp()
        self.observer = Recorder()
        self.context = make_context(observer=self.observer)

    def do(self, said: Command[Any]) -> Any:
        """Carry a command out, and publish its result."""
        result = self.store.run(lambda tx: said.perform(tx, self.context))
        said.publish(self.context, result)
        return result

    def test_keys(self) -> None:
        """All three take turns on their mailbox."""
        for said in (
            command("open", mailbox="box"),
            command("add", mailbox="box", phase="0", body="ab"),
            command("close", mailbox="box"),
        ):
            self.assertEqual(tuple(said.keys), (mailbox_key(*BOX),))
            self.assertEqual((said.at_once, said.in_ledger), (False, True))

    def test_stored_and_published(self) -> None:
        """A message is stored with all that it came with, and passed to whoever listens here."""
        subscriber = RecordingSubscriber()
        delivered = subscriber.delivered
        subscription = Subscription(BOX, "a", subscriber)
        self.context.subscriptions.subscribe(subscription)
        subscription.page(self.do(command("open", mailbox="box")))
        for phase, message_id in (("0", {"a": 1}), ("1", None)):
            said = command("add", mailbox="box", phase=phase, body="ab", id=message_id)
            said.received += float(phase)
            self.do(said)
        expected = [
            StoredMessage(1, "a", "0", "ab", '{"a": 1}', NOW),
            StoredMessage(2, "a", "1", "ab", "null", NOW + 1),
        ]
        self.assertEqual(delivered, expected)
        self.assertEqual([each.arrived for each in delivered], [ARRIVED, ARRIVED])
        page = self.do(command("open", mailbox="box"))
        self.assertEqual(page, Page(expected, 2))
        self.assertEqual([each.arrived for each in page.messages], [None, None])

    def test_repeated(self) -> None:
        """A message that is stored already goes back to the client as it was stored, and to nobody else."""
        subscriber = RecordingSubscriber()
        delivered = subscriber.delivered
        subscription = Subscription(BOX, "a", subscriber)
        self.context.subscriptions.subscribe(subscription)
        subscription.page(self.do(command("open", mailbox="box")))
        self.do(command("add", mailbox="box", phase="0", body="ab", id="first"))
        again = command("add", mailbox="box", phase="0", body="ab", id="second", received=NOW + 7)
        stored = self.do(again)
        self.assertEqual(delivered, [stored])
        self.assertEqual(stored, StoredMessage(1, "a", "0", "ab", '"first"', NOW))
        self.assertEqual(again.reply(stored, 5.0), replies.message(stored, 5.0))
        self.assertEqual(again.stored_number(stored), 0)

    def test_sides(self) -> None:
        """A mailbox has two sides; a third is refused."""
        for side in "ab":
            self.do(command("open", side=side, mailbox="box"))
        refusal: Refusal = self.assertRaises(
            Refusal, self.do, command("open", side="c", mailbox="box")
        )
        self.assertIs(refusal.kind, ErrorKind.CROWDED)

    def test_close(self) -> None:
        """The last close removes the mailbox, which is counted by how it ended."""
        for side in "ab":
            self.do(command("open", side=side, mailbox="box"))
        self.assertEqual(self.do(command("close", mailbox="box", mood="scary")), Retired())
        self.assertEqual(self.observer.mailboxes, [])
        retired = self.do(command("close", side="b", mailbox="box"))
        self.assertEqual(retired, Retired(Mood.SCARY))
        self.assertEqual((self.observer.nameplates, self.observer.mailboxes), ([], [Mood.SCARY]))

    def test_web_clients(self) -> None:
        """What a web client says of its transfer is counted; what others say is not."""
        for side, mood in (("a", "scary"), ("b", None)):
            self.do(command("open", side=side, mailbox="box"))
            said = command("close", side=side, mailbox="box", mood=mood)
            said.conversation.is_web_client = side == "a"
            self.do(said)
        self.assertEqual(self.observer.web_clients, [Mood.SCARY])


class CostTests(OnSqlite, StoreCase):
    """What an address is charged for, beside what the database takes."""

    def setUp(self) -> None:
        """Begin with a mailbox."""
        super().setUp()
        self.context = make_context()
        self.do([command("open", side=LONG_SIDE, mailbox="box")])

    def do(self, commands: list[Command[Any]]) -> float:
        """Carry out commands; return how many bytes they take for each byte that is charged."""
        before = self.pages()
        for said in commands:
            self.store.run(lambda tx, said=said: said.perform(tx, self.context))  # type: ignore[misc]
        charged: int = sum(said.cost for said in commands)  # type: ignore[attr-defined]
        return (self.pages() - before) * 4096 / charged

    def pages(self) -> int:
        """Return the size of the database in pages."""
        with self.store.engine.connect() as connection:
            return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    def test_messages(self) -> None:
        """A message is charged for its texts in UTF-8, and for those that its index has again."""
        for body, side, phase in (
            ("😀" * 5000, "a", ""),
            ("", LONG_SIDE, ""),
            ("", "a", "p" * 250),
        ):
            self.do([command("open", side=side, mailbox=f"box {body[:1]}{phase}")])
            commands = [
                command(
                    "add",
                    side=side,
                    mailbox=f"box {body[:1]}{phase}",
                    phase=f"{phase}{number:04}",
                    body=body,
                )
                for number in range(300)
            ]
            self.assertLess(self.do(commands), 1.3)

    def test_mailboxes(self) -> None:
        """A mailbox is charged for its ids and its side as well."""
        for app, side, mailbox in (
            ("app", "a", ""),
            ("app", LONG_SIDE, ""),
            ("a" * 1024, LONG_SIDE, "m" * 1020),
            ("é" * 512, "a", ""),
            ("a", "a", "é" * 510),
        ):
            commands = [
                command("open", app=app, side=side, mailbox=f"{number:04}{mailbox}")
                for number in range(300)
            ]
            self.assertLess(self.do(commands), 1.4)

    def test_nameplates(self) -> None:
        """A mailbox with a nameplate has the side twice."""
        commands = [command("claim", side=LONG_SIDE, nameplate=f"{1000 + n}") for n in range(300)]
        self.assertLess(self.do(commands), 1.3)


class MailboxesOnSqlite(OnSqlite, LedgerRules):
    """Carried out on SQLite."""


class MailboxesOnPostgres(OnPostgres, LedgerRules):
    """Carried out on PostgreSQL."""
