"""Tests of `rendezvous.client`, with a wire that remembers and a ledger that answers when it is told to."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from rendezvous import messages, schema
from rendezvous.client import Client
from rendezvous.errors import ErrorKind, LedgerUnavailable, OutcomeUnknown
from rendezvous.frames import text_frame
from rendezvous.ledger import Ledger
from rendezvous.mailboxes import PAGE_MESSAGES
from rendezvous.messages import CommandKind
from rendezvous.observer import DropReason
from rendezvous.server import Limits, Rendezvous, Welcome
from tests.rendezvous.fakes import FakeWire, Recorder, StoreRunner
from tests.rendezvous.stores import OnSqlite, StoreCase

PEER = IPv4Address("TCP", "192.0.2.1", 4711)
LIMITS = Limits(send_buffer_bytes=2000, pending_commands=10)


class Peer:
    """A client with its wire."""

    def __init__(self, server: Rendezvous, clock: Clock) -> None:
        self.wire = FakeWire()
        self._clock = clock
        self.client = Client(
            server, self.wire, lambda stored: text_frame(messages.message(stored, 0.0))
        )

    def connect(self, side: str, app: str = "app") -> None:
        """Be greeted, and bind."""
        self.client.greet(PEER)
        self.say("bind", appid=app, side=side)
        self.wire.take()

    def say(self, kind: str, **fields: Any) -> None:
        """Send a command; the ledger is not given time for it."""
        self.client.received(json.dumps({"type": kind, **fields}).encode())

    def types(self) -> list[str]:
        """Of the messages that have come."""
        return [message["type"] for message in self.wire.take()]

    def phases(self) -> list[str]:
        """Of the mailbox's messages that have come."""
        return [message["phase"] for message in self.wire.take() if message["type"] == "message"]


class ClientCase(OnSqlite, StoreCase):
    """A case with a server and clients that are bound."""

    def setUp(self) -> None:
        """Bring up a server."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        self.runner = StoreRunner(self.store)
        ledger = Ledger(self.clock)
        ledger.open([self.runner])
        self.server = Rendezvous(
            self.clock, ledger, self.observer, limits=LIMITS, welcome=Welcome(motd="hello")
        )
        self.a = self.peer("a")
        self.b = self.peer("b")

    def peer(self, side: str) -> Peer:
        """A client that is bound."""
        peer = Peer(self.server, self.clock)
        peer.connect(side)
        return peer

    def settle(self) -> None:
        """Let the ledger do all that waits."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)

    def hold(self) -> None:
        """The ledger takes a batch and does not finish it."""
        self.settle()
        self.runner.held = True

    def let_go(self) -> None:
        """It finishes, and goes on."""
        self.settle()
        self.runner.let_go()
        self.settle()

    def open_both(self) -> None:
        """Two sides have the mailbox open."""
        for peer in (self.a, self.b):
            peer.say("open", mailbox="box")
        self.settle()
        for peer in (self.a, self.b):
            peer.wire.take()


class GreetingTests(ClientCase):
    """The first words."""

    def test_welcome(self) -> None:
        """A client is greeted with the server's words and its own address."""
        peer = Peer(self.server, self.clock)
        peer.client.greet(PEER)
        (said,) = peer.wire.take()
        self.assertEqual(
            said["welcome"], {"motd": "hello", "your-address": {"ipv4": "192.0.2.1", "port": 4711}}
        )
        self.assertEqual(self.observer.connections, 3)

    def test_welcome_changes(self) -> None:
        """The greeting may change while the server runs."""
        self.server.welcome = Welcome(None, "go away", "1.0")
        peer = Peer(self.server, self.clock)
        peer.client.greet(PEER)
        (said,) = peer.wire.take()
        del said["welcome"]["your-address"]
        self.assertEqual(said["welcome"], {"error": "go away", "current_cli_version": "1.0"})


class OrderTests(ClientCase):
    """Acknowledged first, answered in turn."""

    def test_ack_then_answer(self) -> None:
        """Every command is acknowledged by its id, and answered behind that."""
        self.a.say("claim", nameplate="7", id="one")
        self.settle()
        ack, claimed = self.a.wire.take()
        self.assertEqual((ack["type"], ack["id"], claimed["type"]), ("ack", "one", "claimed"))

    def test_errors_wait_for_their_turn(self) -> None:
        """What is refused at once, or needs no ledger, waits for the answers before it."""
        self.hold()
        self.a.say("claim", nameplate="7", id=1)
        self.a.say("ping", ping=5, id=2)
        self.a.say("no such type", id=3)
        self.a.client.received(b"\xff")
        self.settle()
        self.assertEqual(self.a.wire.take(), [])
        self.let_go()
        self.assertEqual(
            self.a.types(), ["ack", "claimed", "ack", "pong", "ack", "error", "ack", "error"]
        )

    def test_results_in_any_order(self) -> None:
        """Answers leave in the order of the commands, in whichever order the results come."""
        results: list[tuple[Deferred[Any], Any]] = []
        perform = self.server.perform

        def hold_back(request: Any, lane: int) -> Deferred[Any]:
            held: Deferred[Any] = Deferred()
            perform(request, lane).addCallback(lambda result: results.append((held, result)))
            return held

        self.patch(self.server, "perform", hold_back)
        self.a.say("list")
        self.a.say("claim", nameplate="7")
        self.a.say("release")
        self.settle()
        for number in (2, 0, 1):
            held, result = results[number]
            held.callback(result)
        self.assertEqual(self.a.types(), ["ack", "nameplates", "ack", "claimed", "ack", "released"])

    def test_whole_exchange_at_once(self) -> None:
        """A client may send all its commands without waiting for one answer."""
        self.a.say("claim", nameplate="7")
        self.settle()
        box = self.a.wire.take()[1]["mailbox"]
        self.a.say("open", mailbox=box)
        self.a.say("add", phase="0", body="00", id="x")
        self.a.say("add", phase="1", body="01", id="y")
        self.a.say("release")
        self.a.say("close", mood="happy")
        self.settle()
        types = self.a.types()
        self.assertEqual([each for each in types if each != "message"][-2:], ["ack", "closed"])
        self.assertEqual(types.count("ack"), 5)
        self.assertEqual((len(self.observer.mailboxes), len(self.observer.nameplates)), (1, 1))

    def test_echo_follows_its_ack(self) -> None:
        """A client's own message comes back to it behind the acknowledgement, ahead of later answers."""
        self.open_both()
        self.a.say("add", phase="0", body="00")
        self.a.say("ping", ping=1)
        self.settle()
        self.assertEqual(self.a.types(), ["ack", "message", "ack", "pong"])
        self.assertEqual(self.b.types(), ["message"])

    def test_replay_comes_before_later_answers(self) -> None:
        """All that was stored before an open comes before the answer of what was asked after it."""
        self.open_both()
        for number in range(2 * PAGE_MESSAGES + 5):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        again = self.peer("a")
        again.say("open", mailbox="box")
        again.say("add", phase="new", body="")
        again.say("ping", ping=1)
        self.settle()
        said = again.wire.take()
        phases = [each["phase"] for each in said if each["type"] == "message"]
        self.assertEqual(phases, [*(str(n) for n in range(2 * PAGE_MESSAGES + 5)), "new"])
        self.assertEqual(
            [each["type"] for each in said if each["type"] != "message"],
            ["ack", "ack", "ack", "pong"],
        )
        self.assertEqual([each["type"] for each in said[:2]], ["ack", "message"])
        self.assertEqual(said[-1]["type"], "pong")

    def test_own_messages_in_a_replay(self) -> None:
        """A client's own message comes behind its acknowledgement, also where a page brings it."""
        self.open_both()
        for number in range(PAGE_MESSAGES + 5):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        again = self.peer("a")
        again.say("open", mailbox="box")
        again.say("ping", ping=1)
        again.say("add", phase="new", body="", id="one")
        again.say("add", phase="newer", body="", id="two")
        self.settle()
        said = [
            each.get("phase", each.get("id", each["type"]))
            for each in again.wire.take()
            if each["type"] != "ack" or each["id"] is not None
        ]
        self.assertEqual(
            said[PAGE_MESSAGES:],
            [*(str(PAGE_MESSAGES + n) for n in range(5)), "pong", "one", "new", "two", "newer"],
        )

    def test_closed_at_once(self) -> None:
        """Who opens, adds and closes in one breath still gets what is stored, all before the close."""
        self.open_both()
        for number in range(PAGE_MESSAGES + 5):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        again = self.peer("b")
        again.say("open", mailbox="box")
        again.say("add", phase="new", body="")
        again.say("close")
        self.settle()
        said = again.wire.take()
        phases = [each["phase"] for each in said if each["type"] == "message"]
        self.assertEqual(phases, [*(str(n) for n in range(PAGE_MESSAGES + 5)), "new"])
        self.assertEqual([each["type"] for each in said[-3:]], ["message", "ack", "closed"])
        self.a.say("add", phase="later", body="")
        self.settle()
        self.assertEqual(again.wire.take(), [])

    def test_counted(self) -> None:
        """Commands and errors are counted by their kinds."""
        self.observer.commands.clear()
        self.a.say("list")
        self.a.say("claim")
        self.a.say("xyz")
        self.settle()
        self.assertEqual(
            self.observer.commands, [CommandKind.LIST, CommandKind.CLAIM, CommandKind.UNKNOWN]
        )
        self.assertEqual(
            self.observer.errors, [ErrorKind.CLAIM_WITHOUT_NAMEPLATE, ErrorKind.UNKNOWN_TYPE]
        )

    def test_timed(self) -> None:
        """What the ledger answers is timed from the command to its answer; what it is not asked is not."""
        self.a.say("ping", ping=1)
        self.a.say("claim")
        self.assertEqual(self.observer.answers, [])
        self.hold()
        self.a.say("claim", nameplate="4")
        self.clock.advance(0.5)
        self.assertEqual(self.observer.answers, [])
        self.let_go()
        self.assertEqual(self.observer.answers, [0.5])

    def test_delivery_timed(self) -> None:
        """A message is timed until each listener is sent it, unless it waited for them to come."""
        self.a.say("open", mailbox="box")
        self.settle()
        self.clock.advance(1.0)
        self.hold()
        self.a.say("add", phase="0", body="")
        self.clock.advance(0.25)
        self.let_go()
        self.assertEqual(self.observer.deliveries, [0.25])
        self.clock.advance(7.0)
        self.b.say("open", mailbox="box")
        self.settle()
        self.assertEqual(self.b.phases(), ["0"])
        self.assertEqual(self.observer.deliveries, [0.25])
        self.b.say("add", phase="1", body="")
        self.settle()
        self.assertEqual(self.observer.deliveries, [0.25, 0.0, 0.0])


class DurabilityTests(ClientCase):
    """What the ledger has not done has not been said."""

    def test_nothing_before_the_commit(self) -> None:
        """Neither an answer nor a broadcast leaves before the batch that holds it is durable."""
        self.open_both()
        self.hold()
        self.a.say("add", phase="0", body="00")
        self.a.say("release", nameplate="7")
        self.settle()
        self.assertEqual((self.a.wire.take(), self.b.wire.take()), ([], []))
        self.let_go()
        self.assertEqual(self.a.types(), ["ack", "message", "ack", "released"])
        self.assertEqual(self.b.types(), ["message"])

    def test_database_away(self) -> None:
        """A database that does not answer is an error to the client, which may try again."""
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.a.say("open", mailbox="box", id="x")
        self.settle()
        ack, error = self.a.wire.take()
        self.assertEqual(ack["id"], "x")
        self.assertEqual(error["error"], ErrorKind.UNAVAILABLE.text)
        self.a.say("open", mailbox="box")
        self.a.say("add", phase="0", body="00")
        self.settle()
        self.assertEqual(self.a.types(), ["ack", "ack", "message"])
        self.assertEqual((self.a.wire.dropped, self.flushLoggedErrors()), ([], []))

    def test_outcome_unknown(self) -> None:
        """Where nobody can tell what became of a command the client is told so and has to come back."""
        self.open_both()
        doubts: list[bool] = []
        self.patch(self.server, "doubt", lambda: doubts.append(True))
        self.runner.failure, self.runner.failures = OutcomeUnknown(), 1
        self.a.say("add", phase="0", body="00")
        self.settle()
        _, error = self.a.wire.take()
        self.assertEqual(error["error"], ErrorKind.OUTCOME_UNKNOWN.text)
        self.assertEqual((self.a.wire.dropped, self.b.wire.dropped), ([True], []))
        self.assertEqual((self.observer.drops, doubts), ([DropReason.DATABASE], [True]))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_operation_that_falls_over(self) -> None:
        """An operation that nobody foresaw is an internal error, logged once; the connection stays."""
        self.runner.failure, self.runner.failures = ZeroDivisionError("a secret"), 1
        self.a.say("claim", nameplate="7")
        self.settle()
        said = self.a.wire.take()
        self.assertEqual(said[1]["error"], "internal error")
        self.assertNotIn("secret", json.dumps(said))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.counts["internal_error"], 1)
        self.a.say("ping", ping=1)
        self.assertEqual(self.a.types(), ["ack", "pong"])

    def test_no_page(self) -> None:
        """A client whose messages cannot be read is dropped: without them it had better come back."""
        self.open_both()
        for number in range(PAGE_MESSAGES + 1):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        again = self.peer("a")
        self.patch(self.server, "read_page", lambda *_: fail(LedgerUnavailable()))
        again.say("open", mailbox="box")
        self.settle()
        self.assertEqual((again.wire.dropped, self.flushLoggedErrors()), ([False], []))


class GoneTests(ClientCase):
    """A connection is lost."""

    def test_nothing_is_written(self) -> None:
        """What a client asked for takes place after it has gone; nothing is written to it."""
        self.open_both()
        self.hold()
        self.a.say("add", phase="0", body="00")
        self.a.say("claim", nameplate="7")
        self.settle()
        self.a.client.lost()
        self.let_go()
        self.assertEqual(self.a.wire.take(), [])
        self.assertEqual(self.b.phases(), ["0"])
        self.assertEqual(self.observer.connections, 1)
        self.b.say("list")
        self.settle()
        self.assertEqual(self.b.wire.take()[1]["nameplates"], [{"id": "7"}])

    def test_gone_with_an_answer_in_the_queue(self) -> None:
        """A message is told to the others even if its sender went while its answer had to wait."""
        self.open_both()
        for number in range(PAGE_MESSAGES + 1):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        self.b.wire.take()
        # It reads nothing, so that its replay stops after a page, and its answers with it.
        again = self.peer("a")
        again.client.full()
        again.say("open", mailbox="box")
        again.say("add", phase="last", body="")
        self.settle()
        again.client.lost()
        self.settle()
        self.assertEqual(self.b.phases(), ["last"])

    def test_slow_reader_holds_up_nobody(self) -> None:
        """A message is told to the others even while its sender does not read what came before it."""
        self.open_both()
        for number in range(PAGE_MESSAGES + 1):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        self.b.wire.take()
        again = self.peer("a")
        again.client.full()
        again.say("open", mailbox="box")
        again.say("add", phase="last", body="")
        self.settle()
        self.assertEqual(self.b.phases(), ["last"])

    def test_presence(self) -> None:
        """A mailbox has somebody present from claim or open to close, or to the loss of the last."""
        self.a.say("claim", nameplate="7")
        self.settle()
        box = ("app", self.a.wire.take()[1]["mailbox"])
        present = self.server.subscriptions.is_present
        self.assertTrue(present(box))
        second = self.peer("a")
        second.say("open", mailbox=box[1])
        self.settle()
        self.a.client.lost()
        self.assertTrue(present(box))
        second.say("close")
        self.settle()
        self.assertFalse(present(box))
        self.assertEqual(list(self.server.subscriptions.present()), [])

    def test_refused_open_is_no_presence(self) -> None:
        """A stray that was refused does not keep the mailbox alive, and hears nothing of it."""
        self.open_both()
        stray = self.peer("c")
        stray.say("open", mailbox="box")
        self.settle()
        self.assertEqual(stray.wire.take()[1]["error"], "crowded")
        self.a.say("add", phase="0", body="00")
        self.settle()
        self.assertEqual(stray.wire.take(), [])
        for peer in (self.a, self.b):
            peer.client.lost()
        self.assertFalse(self.server.subscriptions.is_present(("app", "box")))

    def test_leaving_is_use(self) -> None:
        """A mailbox's time to expire begins when its last client goes."""
        self.open_both()
        self.clock.advance(500)
        self.a.client.lost()
        self.settle()
        (used,) = self.store.rows(schema.mailboxes, "used")
        self.assertEqual(used, 500.0)

    def test_nothing_is_kept(self) -> None:
        """When all clients have gone, nothing of them is left in memory."""
        self.open_both()
        self.a.say("claim", nameplate="7")
        self.settle()
        for peer in (self.a, self.b):
            peer.client.lost()
        self.settle()
        subscriptions = self.server.subscriptions
        self.assertEqual((len(subscriptions._listeners), len(subscriptions._present)), (0, 0))
        self.assertEqual(sum(len(slot) for slot in self.server.heartbeat._slots), 0)
        self.assertEqual(self.observer.connections, 0)


class BackpressureTests(ClientCase):
    """What may wait."""

    def test_pending_commands(self) -> None:
        """When enough commands wait for their results nothing more is read, until half are done."""
        self.hold()
        for number in range(LIMITS.pending_commands):
            self.assertFalse(self.a.wire.paused)
            self.a.say("list", id=number)
        self.assertTrue(self.a.wire.paused)
        self.let_go()
        self.assertFalse(self.a.wire.paused)
        self.assertEqual(len(self.a.types()), 2 * LIMITS.pending_commands)

    def test_pending_answers(self) -> None:
        """That goes for commands that need no ledger, too, while they wait for their turn."""
        self.hold()
        self.a.say("list")
        for _ in range(LIMITS.pending_commands - 1):
            self.a.say("ping", ping=1)
        self.assertTrue(self.a.wire.paused)
        self.let_go()
        self.assertFalse(self.a.wire.paused)

    def test_not_reading(self) -> None:
        """A client is dropped, once, when more waits for it than the bound; others go on."""
        self.open_both()
        self.b.client.full()
        for number in range(30):
            self.a.say("add", phase=str(number), body="f" * 100)
            self.settle()
        self.assertEqual(self.b.wire.dropped, [False])
        self.assertEqual(self.observer.drops, [DropReason.NOT_READING])
        waiting = sum(len(frame) for frame in self.b.wire.frames)
        self.assertLessEqual(waiting, LIMITS.send_buffer_bytes)
        self.assertGreater(waiting, LIMITS.send_buffer_bytes // 2)
        self.assertEqual(len(self.a.phases()), 30)

    def test_full_again_and_again(self) -> None:
        """A wire that says so at every write that it is full does not start the count anew."""
        self.open_both()
        for number in range(30):
            self.b.client.full()
            self.a.say("add", phase=str(number), body="f" * 100)
            self.settle()
        self.assertEqual(self.b.wire.dropped, [False])

    def test_drained(self) -> None:
        """What a client has read no longer counts."""
        self.open_both()
        for number in range(30):
            self.b.client.full()
            self.a.say("add", phase=str(number), body="f" * 100)
            self.settle()
            self.b.client.drained()
        self.assertEqual(self.b.wire.dropped, [])
        self.assertEqual(len(self.b.phases()), 30)

    def test_stalled(self) -> None:
        """Who does not read is known, with what waits for it, until it reads or is gone."""
        self.open_both()
        self.assertEqual(self.server.stalled, set())
        for peer in (self.a, self.b):
            peer.client.full()
            self.assertEqual(peer.client.waiting_bytes, 0)
        self.a.say("add", phase="0", body="f" * 100)
        self.settle()
        self.assertEqual(self.server.stalled, {self.a.client, self.b.client})
        self.assertGreater(self.b.client.waiting_bytes, 100)
        self.b.client.drained()
        self.assertEqual(self.b.client.waiting_bytes, 0)
        self.assertEqual(self.server.stalled, {self.a.client})
        self.a.client.lost()
        self.assertEqual(self.server.stalled, set())

    def test_pages_only_when_drained(self) -> None:
        """The next page of a replay is read when the client has taken the last."""
        self.server.limits = Limits()
        self.open_both()
        total = 2 * PAGE_MESSAGES + 1
        for number in range(total):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        again = self.peer("b")
        again.say("open", mailbox="box")
        again.client.full()
        phases = []
        for expected in (PAGE_MESSAGES, PAGE_MESSAGES, 1):
            self.settle()
            page = again.phases()
            self.assertEqual(len(page), expected)
            phases += page
            again.client.drained()
            again.client.full()
        self.assertEqual(phases, [str(number) for number in range(total)])

    def test_many_answers_to_who_does_not_read(self) -> None:
        """A client that asks and asks, and reads no answer, is dropped once."""
        self.a.client.full()
        for _ in range(100):
            self.a.say("ping", ping="x" * 100)
        self.assertEqual((self.a.wire.dropped, len(self.observer.drops)), ([False], 1))


class FaultTests(ClientCase):
    """Faults of the server's own."""

    def test_in_one_conversation(self) -> None:
        """An exception in a conversation ends that one, told without detail, logged and counted once."""

        def fall_over(*_: object) -> None:
            raise ZeroDivisionError("a secret")

        self.patch(self.a.client, "_conversation", type("Broken", (), {"receive": fall_over})())
        self.a.say("ping", ping=1)
        said = self.a.wire.take()
        self.assertEqual([each["error"] for each in said], ["internal error"])
        self.assertNotIn("secret", json.dumps(said))
        self.assertEqual(self.a.wire.dropped, [True])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.drops, [DropReason.INTERNAL])
        self.assertEqual(self.observer.counts["internal_error"], 1)
        self.b.say("ping", ping=1)
        self.assertEqual(self.b.types(), ["ack", "pong"])

    def test_one_listener_of_two(self) -> None:
        """A listener that cannot be written to does not keep the message from the others."""
        self.open_both()

        def fall_over(_: bytes) -> None:
            raise ZeroDivisionError

        self.patch(self.a.wire, "write", fall_over)
        third = self.peer("b")
        third.say("open", mailbox="box")
        self.settle()
        third.wire.take()
        self.b.say("add", phase="0", body="00")
        self.settle()
        self.assertEqual((self.b.phases(), third.phases()), (["0"], ["0"]))
        self.assertEqual(self.a.wire.dropped, [False])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class PingTests(ClientCase):
    """The heartbeat of a connection."""

    def test_dropped_in_good_order_and_silent(self) -> None:
        """Who is to hear last words and does not read them is dropped without them."""

        def fall_over(*_: object) -> None:
            raise ZeroDivisionError

        self.server.start()
        self.patch(self.server, "perform", fall_over)
        self.a.say("list")
        self.assertEqual(self.a.wire.dropped, [True])
        self.clock.pump([1.0] * 181)
        self.assertEqual(self.a.wire.dropped, [True, False])
        self.assertEqual(self.observer.drops[0], DropReason.INTERNAL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.server.stop()

    def test_pinged_and_dropped(self) -> None:
        """A silent client is pinged, and dropped two minutes after the first ping."""
        self.server.start()
        for _ in range(200):
            self.b.client.heard = True
            self.clock.advance(1)
        self.assertEqual((self.a.wire.pings, self.b.wire.pings), (2, 3))
        self.assertEqual((self.a.wire.dropped[:1], self.b.wire.dropped), ([False], []))
        self.assertEqual(self.observer.drops, [DropReason.SILENT])
        self.a.client.lost()
        self.server.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
