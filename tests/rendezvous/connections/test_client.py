"""Tests of `rendezvous.connections.client`: all that happens between a client and the server."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import fail
from twisted.internet.task import Clock

from rendezvous.connections.client import Client
from rendezvous.errors import DiskFull, ErrorKind, LedgerUnavailable, OutcomeUnknown
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import DropReason
from rendezvous.permissions import Permissions
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind, Conversation
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules import schema
from rendezvous.rules.sql.messages import PAGE_MESSAGES
from rendezvous.server import Rendezvous
from rendezvous.sharing.accounts import MESSAGE_BYTES, mailbox_bytes
from rendezvous.sharing.disk import DiskReserve, DiskSpace
from rendezvous.welcome import Welcome
from tests.rendezvous import servers
from tests.rendezvous.fakes import FakeTransport, Recorder, StoreRunner
from tests.rendezvous.servers import make_rendezvous
from tests.rendezvous.stores import OnSqlite, StoreCase
from tests.schedulers import make_scheduler
from tests.wormhole_limits.fakes import BoundRecorder
from wormhole_limits.bounds import Bound
from wormhole_limits.ip_addresses import block_of
from wormhole_websocket.frames import text_frame

PEER = IPv4Address("TCP", "192.0.2.1", 4711)
LIMITS = attrs.evolve(servers.LIMITS, send_buffer_bytes=2000, pending_commands=10)


class Peer:
    """A client with its transport."""

    def __init__(self, server: Rendezvous, clock: Clock) -> None:
        self.transport = FakeTransport()
        self._clock = clock
        self.client = Client(
            server,
            self.transport,
            block_of(PEER),
            lambda stored: text_frame(replies.message(stored, 0.0)),
        )

    def connect(self, side: str, app: str = "app") -> None:
        """Be greeted, and bind."""
        self.client.connected(PEER)
        self.say("bind", appid=app, side=side)
        self.transport.take()

    def say(self, kind: str, **fields: Any) -> None:
        """Send a command; the ledger is not given time for it."""
        self.client.received(json.dumps({"type": kind, **fields}).encode())

    def types(self) -> list[str]:
        """Of the messages that have come."""
        return [message["type"] for message in self.transport.take()]

    def phases(self) -> list[str]:
        """Of the mailbox's messages that have come."""
        return [
            message["phase"] for message in self.transport.take() if message["type"] == "message"
        ]


class ClientCase(OnSqlite, StoreCase):
    """A case with a server and clients that are bound."""

    def setUp(self) -> None:
        """Bring up a server."""
        super().setUp()
        self.clock = Clock()
        self.observer = Recorder()
        self.bounds = BoundRecorder()
        self.runner = StoreRunner(self.store)
        ledger = Ledger(make_scheduler(self.clock))
        ledger.open([self.runner])
        # How far the day is ahead of the steady clock.
        self.ahead = 0.0
        self.server = make_rendezvous(
            self.clock,
            ledger,
            self.observer,
            day=lambda: self.clock.seconds() + self.ahead,
            limits=LIMITS,
            welcome=Welcome("hello", None, None),
            bounds=self.bounds,
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
            peer.transport.take()


class GreetingTests(ClientCase):
    """The first words."""

    def test_welcome(self) -> None:
        """A client is greeted with the server's words and its own address."""
        peer = Peer(self.server, self.clock)
        peer.client.connected(PEER)
        (said,) = peer.transport.take()
        self.assertEqual(
            said["welcome"], {"motd": "hello", "your-address": {"ipv4": "192.0.2.1", "port": 4711}}
        )
        self.assertEqual(self.observer.connections, 3)

    def test_welcome_changes(self) -> None:
        """The greeting may change while the server runs."""
        self.server.welcome = Welcome(None, "go away", "1.0")
        peer = Peer(self.server, self.clock)
        peer.client.connected(PEER)
        (said,) = peer.transport.take()
        del said["welcome"]["your-address"]
        self.assertEqual(said["welcome"], {"error": "go away", "current_cli_version": "1.0"})


class GarbageTests(ClientCase):
    """A collection of cycles takes milliseconds, for which everybody waits."""

    def test_refused(self) -> None:
        """A refused command leaves none."""
        gc.disable()
        self.addCleanup(gc.enable)
        self.a.say("open", mailbox="box")
        self.settle()
        gc.collect()
        for _ in range(10):
            self.a.say("bind", appid="app", side="a")
            self.a.say("nonsense")
            self.a.client.received(b"\xff")
            self.a.say("add", phase=1)
        self.b.say("add", phase="0", body="")
        self.assertEqual(len(self.a.transport.take()), 81)
        self.assertEqual(gc.collect(), 0)


class OrderTests(ClientCase):
    """Acknowledged first, answered in turn."""

    def test_denied(self) -> None:
        """A client on the deny list is told so in the welcome, and nothing of it reaches the ledger."""
        self.server.deny = lambda peer: "not you" if peer == PEER else None
        peer = Peer(self.server, self.clock)
        peer.client.connected(PEER)
        (welcome,) = peer.transport.take()
        self.assertEqual(welcome["welcome"]["error"], "not you")
        self.assertEqual(welcome["welcome"]["motd"], "hello")
        asked: list[object] = []
        for name in ("perform", "perform_unwatched"):
            self.patch(self.server, name, lambda *command: asked.append(command))
        peer.say("bind", appid="app", side="c", client_version=["python", "0.24.0"])
        peer.say("claim", nameplate="4")
        peer.say("release", nameplate="4")
        peer.say("close", mailbox="m")
        peer.say("ping", ping=1)
        self.settle()
        answers = [each for each in peer.transport.take() if each["type"] != "ack"]
        self.assertEqual(
            [each.get("error", each["type"]) for each in answers],
            ["not you", "not you", "released", "closed", "not you"],
        )
        self.assertEqual(self.observer.errors, [ErrorKind.DENIED] * 3)
        self.assertEqual(self.observer.commands[-2:], [CommandKind.CLOSE, CommandKind.PING])
        self.assertEqual(asked, [])

    def test_permission(self) -> None:
        """A client that has to bring a stamp is told so in the welcome, and counted if it brings none."""
        self.server.permissions = Permissions(8, ask_all=False, ask_over_bound=True)
        self.server.over_bound = lambda block: block == block_of(PEER)
        peer = Peer(self.server, self.clock)
        peer.client.connected(PEER)
        (welcome,) = peer.transport.take()
        required = welcome["welcome"]["permission-required"]
        self.assertEqual(list(required), ["hashcash"])
        peer.say("bind", appid="app", side="c")
        peer.say("claim", nameplate="4")
        peer.say("release", nameplate="4")
        self.settle()
        answers = [each for each in peer.transport.take() if each["type"] != "ack"]
        text = ErrorKind.PERMISSION_REQUIRED.text
        self.assertEqual(
            [each.get("error", each["type"]) for each in answers], [text, text, "released"]
        )
        self.assertEqual(self.bounds.met, [(Bound.PERMISSION, block_of(PEER))] * 2)

    def test_no_permission_needed(self) -> None:
        """Other addresses are asked for nothing."""
        self.server.permissions = Permissions(8, ask_all=False, ask_over_bound=True)
        peer = Peer(self.server, self.clock)
        peer.client.connected(PEER)
        (welcome,) = peer.transport.take()
        self.assertNotIn("permission-required", welcome["welcome"])

    def test_denied_and_stays(self) -> None:
        """A client on the deny list that does not leave is dropped when its first ping is due."""
        self.server.deny = lambda _: "not you"
        peer = self.peer("c")
        self.server.startService()
        self.clock.pump([1.0] * 65)
        self.assertEqual(self.observer.drops, [DropReason.REFUSED])
        self.assertEqual((self.a.transport.dropped, peer.transport.dropped), ([], [False]))
        self.server.stopService()

    def test_ack_then_answer(self) -> None:
        """Every command is acknowledged by its id, and answered behind that."""
        self.a.say("claim", nameplate="7", id="one")
        self.settle()
        ack, claimed = self.a.transport.take()
        self.assertEqual((ack["type"], ack["id"], claimed["type"]), ("ack", "one", "claimed"))

    def test_errors_wait_for_their_turn(self) -> None:
        """What is refused at once, or needs no ledger, waits for the answers before it."""
        self.hold()
        self.a.say("claim", nameplate="7", id=1)
        self.a.say("ping", ping=5, id=2)
        self.a.say("no such type", id=3)
        self.a.client.received(b"\xff")
        self.settle()
        self.assertEqual(self.a.transport.take(), [])
        self.let_go()
        self.assertEqual(
            self.a.types(), ["ack", "claimed", "ack", "pong", "ack", "error", "ack", "error"]
        )

    def test_results_in_any_order(self) -> None:
        """Answers leave in the order of the commands, in whichever order the results come."""
        results: list[Callable[[], object]] = []
        perform = self.server.perform

        def hold_back(request: Any, lane: int, task: Any, done: Callable[[Any], object]) -> None:
            perform(request, lane, task, lambda result: results.append(partial(done, result)))

        self.patch(self.server, "perform", hold_back)
        self.a.say("list")
        self.a.say("claim", nameplate="7")
        self.a.say("release")
        self.settle()
        for number in (2, 0, 1):
            results[number]()
        self.assertEqual(self.a.types(), ["ack", "nameplates", "ack", "claimed", "ack", "released"])

    def test_whole_exchange_at_once(self) -> None:
        """A client may send all its commands without waiting for one answer."""
        self.a.say("claim", nameplate="7")
        self.settle()
        box = self.a.transport.take()[1]["mailbox"]
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
        said = again.transport.take()
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
            for each in again.transport.take()
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
        said = again.transport.take()
        phases = [each["phase"] for each in said if each["type"] == "message"]
        self.assertEqual(phases, [*(str(n) for n in range(PAGE_MESSAGES + 5)), "new"])
        self.assertEqual([each["type"] for each in said[-3:]], ["message", "ack", "closed"])
        self.a.say("add", phase="later", body="")
        self.settle()
        self.assertEqual(again.transport.take(), [])

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

    def test_day_that_jumps(self) -> None:
        """A clock of the day that is set while a command waits is in its dates, and not in its durations."""
        self.open_both()
        self.observer.answers.clear()
        for number, jump in enumerate((3600.0, -7200.0)):
            self.hold()
            self.a.say("add", phase=str(number), body="")
            received = self.clock.seconds() + self.ahead
            self.clock.advance(0.25)
            self.ahead += jump
            self.let_go()
            self.assertEqual(self.observer.answers, [0.25])
            self.assertEqual(self.observer.deliveries, [0.25, 0.25])
            ack, message = self.a.transport.take()
            self.assertEqual(
                (ack["server_tx"], message["server_rx"]), (received + 0.25 + jump, received)
            )
            self.observer.answers.clear()
            self.observer.deliveries.clear()

    def test_delivery_from_the_database(self) -> None:
        """What comes from the database was received by the time of day, which may have been set back."""
        self.a.say("open", mailbox="box")
        self.settle()
        message = StoredMessage(1, "b", "0", "", "null", received=5.0)
        for ahead, seconds in ((7.5, 2.5), (4.0, 0.0)):
            self.observer.deliveries.clear()
            self.ahead = ahead
            self.a.client._listener.deliver([message])
            self.assertEqual(self.observer.deliveries, [seconds])

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
        self.assertEqual((self.a.transport.take(), self.b.transport.take()), ([], []))
        self.let_go()
        self.assertEqual(self.a.types(), ["ack", "message", "ack", "released"])
        self.assertEqual(self.b.types(), ["message"])

    def test_database_away(self) -> None:
        """A database that does not answer is an error to the client, which may try again."""
        self.runner.failure, self.runner.failures = LedgerUnavailable(), 1
        self.a.say("open", mailbox="box", id="x")
        self.settle()
        ack, error = self.a.transport.take()
        self.assertEqual(ack["id"], "x")
        self.assertEqual(error["error"], ErrorKind.UNAVAILABLE.text)
        self.a.say("open", mailbox="box")
        self.a.say("add", phase="0", body="00")
        self.settle()
        self.assertEqual(self.a.types(), ["ack", "ack", "message"])
        self.assertEqual((self.a.transport.dropped, self.flushLoggedErrors()), ([], []))

    def test_outcome_unknown(self) -> None:
        """Where nobody can tell what became of a command the client is told so and has to come back."""
        self.open_both()
        doubts: list[bool] = []
        self.patch(self.server, "doubt", lambda: doubts.append(True))
        self.runner.failure, self.runner.failures = OutcomeUnknown(), 1
        self.a.say("add", phase="0", body="00")
        self.settle()
        _, error = self.a.transport.take()
        self.assertEqual(error["error"], ErrorKind.OUTCOME_UNKNOWN.text)
        self.assertEqual((self.a.transport.dropped, self.b.transport.dropped), ([True], []))
        self.assertEqual((self.observer.drops, doubts), ([DropReason.DATABASE], [True]))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_operation_that_falls_over(self) -> None:
        """An operation that nobody foresaw is an internal error, logged once; the connection stays."""
        self.runner.failure, self.runner.failures = ZeroDivisionError("a secret"), 1
        self.a.say("claim", nameplate="7")
        self.settle()
        said = self.a.transport.take()
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
        self.assertEqual((again.transport.dropped, self.flushLoggedErrors()), ([False], []))


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
        self.assertEqual(self.a.transport.take(), [])
        self.assertEqual(self.b.phases(), ["0"])
        self.assertEqual(self.observer.connections, 1)
        self.b.say("list")
        self.settle()
        self.assertEqual(self.b.transport.take()[1]["nameplates"], [{"id": "7"}])

    def test_gone_with_an_answer_in_the_queue(self) -> None:
        """A message is told to the others even if its sender went while its answer had to wait."""
        self.open_both()
        for number in range(PAGE_MESSAGES + 1):
            self.a.say("add", phase=str(number), body="")
            self.settle()
        self.b.transport.take()
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
        self.b.transport.take()
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
        box = ("app", self.a.transport.take()[1]["mailbox"])
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
        self.assertEqual(stray.transport.take()[1]["error"], "crowded")
        self.a.say("add", phase="0", body="00")
        self.settle()
        self.assertEqual(stray.transport.take(), [])
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
        self.assertEqual((len(subscriptions._by_address), len(subscriptions._present)), (0, 0))
        self.assertEqual(sum(len(slot) for slot in self.server.heartbeat._slots), 0)
        self.assertEqual(self.observer.connections, 0)


class BackpressureTests(ClientCase):
    """What may wait."""

    def test_pending_commands(self) -> None:
        """When enough commands wait for their results nothing more is read, until half are done."""
        self.hold()
        for number in range(LIMITS.pending_commands):
            self.assertFalse(self.a.transport.paused)
            self.a.say("list", id=number)
        self.assertTrue(self.a.transport.paused)
        self.let_go()
        self.assertFalse(self.a.transport.paused)
        self.assertEqual(len(self.a.types()), 2 * LIMITS.pending_commands)

    def test_pending_answers(self) -> None:
        """That goes for commands that need no ledger, too, while they wait for their turn."""
        self.hold()
        self.a.say("list")
        for _ in range(LIMITS.pending_commands - 1):
            self.a.say("ping", ping=1)
        self.assertTrue(self.a.transport.paused)
        self.let_go()
        self.assertFalse(self.a.transport.paused)

    def test_not_reading(self) -> None:
        """A client is dropped, once, when more waits for it than the bound; others go on."""
        self.open_both()
        self.b.client.full()
        for number in range(30):
            self.a.say("add", phase=str(number), body="f" * 100)
            self.settle()
        self.assertEqual(self.b.transport.dropped, [False])
        self.assertEqual(self.observer.drops, [DropReason.NOT_READING])
        waiting = sum(len(frame) for frame in self.b.transport.frames)
        self.assertLessEqual(waiting, LIMITS.send_buffer_bytes)
        self.assertGreater(waiting, LIMITS.send_buffer_bytes // 2)
        self.assertEqual(len(self.a.phases()), 30)

    def test_full_again_and_again(self) -> None:
        """A transport that says so at every write that it is full does not start the count anew."""
        self.open_both()
        for number in range(30):
            self.b.client.full()
            self.a.say("add", phase=str(number), body="f" * 100)
            self.settle()
        self.assertEqual(self.b.transport.dropped, [False])

    def test_drained(self) -> None:
        """What a client has read no longer counts."""
        self.open_both()
        for number in range(30):
            self.b.client.full()
            self.a.say("add", phase=str(number), body="f" * 100)
            self.settle()
            self.b.client.drained()
        self.assertEqual(self.b.transport.dropped, [])
        self.assertEqual(len(self.b.phases()), 30)

    def test_stalled(self) -> None:
        """Who does not read is known, with what waits for it, until it reads or is gone."""
        self.open_both()
        self.assertEqual(self.server.stalled, set())
        for peer in (self.a, self.b):
            peer.client.full()
            self.assertEqual(peer.client.output.waiting_bytes, 0)
        self.a.say("add", phase="0", body="f" * 100)
        self.settle()
        self.assertEqual(self.server.stalled, {self.a.client.output, self.b.client.output})
        self.assertGreater(self.b.client.output.waiting_bytes, 100)
        self.b.client.drained()
        self.assertEqual(self.b.client.output.waiting_bytes, 0)
        self.assertEqual(self.server.stalled, {self.a.client.output})
        self.a.client.lost()
        self.assertEqual(self.server.stalled, set())

    def test_pages_only_when_drained(self) -> None:
        """The next page of a replay is read when the client has taken the last."""
        self.server.limits = servers.LIMITS
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
        self.assertEqual((self.a.transport.dropped, len(self.observer.drops)), ([False], 1))


class FaultTests(ClientCase):
    """Faults of the server's own."""

    def test_in_one_conversation(self) -> None:
        """An exception in a conversation ends that one, told without detail, logged and counted once."""

        def fall_over(*_: object) -> None:
            raise ZeroDivisionError("a secret")

        self.patch(
            self.a.client,
            "_conversation",
            type("Broken", (Conversation,), {"advance": fall_over})(),
        )
        self.a.say("list")
        said = self.a.transport.take()
        self.assertEqual([each["error"] for each in said], ["internal error"])
        self.assertNotIn("secret", json.dumps(said))
        self.assertEqual(self.a.transport.dropped, [True])
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

        self.patch(self.a.transport, "write", fall_over)
        third = self.peer("b")
        third.say("open", mailbox="box")
        self.settle()
        third.transport.take()
        self.b.say("add", phase="0", body="00")
        self.settle()
        self.assertEqual((self.b.phases(), third.phases()), (["0"], ["0"]))
        self.assertEqual(self.a.transport.dropped, [False])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class PingTests(ClientCase):
    """The heartbeat of a connection."""

    def test_dropped_in_good_order_and_silent(self) -> None:
        """Who is to hear last words and does not read them is dropped without them."""

        def fall_over(*_: object) -> None:
            raise ZeroDivisionError

        self.server.startService()
        self.patch(self.server, "perform", fall_over)
        self.a.say("list")
        self.assertEqual(self.a.transport.dropped, [True])
        self.clock.pump([1.0] * 181)
        self.assertEqual(self.a.transport.dropped, [True, False])
        self.assertEqual(self.observer.drops[0], DropReason.INTERNAL)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.server.stopService()

    def test_pinged_and_dropped(self) -> None:
        """A silent client is pinged, and dropped two minutes after the first ping."""
        self.server.startService()
        for _ in range(200):
            self.b.client.heard = True
            self.clock.advance(1)
        self.assertEqual((self.a.transport.pings, self.b.transport.pings), (2, 3))
        self.assertEqual((self.a.transport.dropped[:1], self.b.transport.dropped), ([False], []))
        self.assertEqual(self.observer.drops, [DropReason.SILENT])
        self.a.client.lost()
        self.server.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BoundTests(ClientCase):
    """What an address may take; all clients here have one."""

    def guess(self, times: int) -> None:
        """Claim a nameplate that two others hold."""
        for peer in (self.a, self.b):
            peer.say("claim", nameplate="7")
            peer.say("add", phase="0", body="")
        for number in range(times):
            peer = self.peer(f"guesser {number}")
            peer.say("claim", nameplate="7")
            self.settle()
            self.assertEqual(peer.types(), ["ack", "error"])
            peer.client.lost()

    def exchange(self, number: int) -> tuple[Peer, Peer]:
        """Have two people meet, say five things each, and part."""
        one, two = (self.peer(f"{side}{number}") for side in "ab")
        one.say("allocate")
        self.settle()
        (name,) = (each["nameplate"] for each in one.transport.take() if "nameplate" in each)
        for peer in (one, two):
            peer.say("claim", nameplate=name)
            self.settle()
            (box,) = (each["mailbox"] for each in peer.transport.take() if "mailbox" in each)
            peer.say("open", mailbox=box)
            for phase in range(5):
                peer.say("add", phase=str(phase), body="ab" * 1000)
                self.settle()
        for peer in (one, two):
            peer.say("release")
            peer.say("close", mood="happy")
            self.settle()
            self.assertNotIn("error", peer.types())
            peer.client.lost()
        return one, two

    def test_twenty_people(self) -> None:
        """Twenty people behind one address, each of whom sends something every minute, meet no bound."""
        for number in range(100):
            self.exchange(number)
            if number % 20 == 19:
                self.clock.advance(60)
        self.assertEqual(self.bounds.met, [])
        self.assertEqual(self.server.shares.accounts.stored(self.a.client.block), 0)
        self.assertEqual(self.server.shares.accounts.nameplates(self.a.client.block), 0)

    def test_dilated_wormhole(self) -> None:
        """A wormhole that lives for an hour, and reconnects every minute, meets no bound."""
        self.open_both()
        pair = [self.a, self.b]
        for minute in range(60):
            for place, side in enumerate("ab"):
                pair[place].client.lost()
                self.clock.advance(30)
                pair[place] = self.peer(side)
                pair[place].say("open", mailbox="box")
                for phase in range(3):
                    pair[place].say("add", phase=f"dilate-{minute}-{phase}", body="ab" * 300)
                    self.settle()
        self.assertEqual(self.bounds.met, [])
        self.assertEqual(self.store.rows(schema.messages, "number")[-1], 360)

    def test_claims_wait(self) -> None:
        """A guesser's next claim is carried out late, what follows it behind; nothing else of it waits."""
        self.guess(10)
        other = self.peer("other")
        other.say("allocate")
        late = self.peer("late")
        late.say("claim", nameplate="88", id="claim")
        late.say("ping", ping=1, id="ping")
        self.settle()
        self.assertEqual(other.types(), ["ack", "allocated"])
        self.assertEqual((late.types(), late.transport.paused), ([], True))
        self.clock.advance(0.9)
        self.assertEqual(late.types(), [])
        self.assertNotIn("88", self.store.rows(schema.nameplates, "name"))
        self.clock.advance(0.2)
        self.settle()
        self.assertEqual(late.types(), ["ack", "claimed", "ack", "pong"])
        self.assertFalse(late.transport.paused)
        self.assertEqual({bound for bound, _ in self.bounds.met}, {Bound.GUESSES})

    def test_gone_while_it_waits(self) -> None:
        """A claim that waits is not carried out when its client has gone."""
        self.guess(10)
        late = self.peer("late")
        late.say("claim", nameplate="88")
        late.client.lost()
        self.clock.advance(100)
        self.settle()
        self.assertNotIn("88", self.store.rows(schema.nameplates, "name"))

    def test_pair_that_is_guessed_at(self) -> None:
        """Two who hold a nameplate get their exchange, however many guess at it."""
        self.guess(10)
        for side, peer in (("a", self.a), ("b", self.b)):
            peer.client.lost()
            again = self.peer(side)
            again.say("claim", nameplate="7")
            # The guesser is at their own address.
            self.clock.advance(60)
            self.settle()
            (box,) = (each["mailbox"] for each in again.transport.take() if "mailbox" in each)
            again.say("open", mailbox=box)
            again.say("add", phase=side, body="")
            again.say("release")
            again.say("close")
            self.settle()
            self.assertNotIn("error", again.types())

    def test_second_side_that_leaves(self) -> None:
        """Second sides that leave without a message have guessed."""
        for number in range(10):
            first, second = self.peer(f"a{number}"), self.peer(f"b{number}")
            for peer in (first, second):
                peer.say("claim", nameplate=f"1{number}")
                self.settle()
            second.client.lost()
        self.peer("late").say("claim", nameplate="8")
        self.assertEqual([bound for bound, _ in self.bounds.met], [Bound.GUESSES])

    def test_scary(self) -> None:
        """Second sides that close with a wrong password have guessed."""
        for number in range(10):
            pair = [self.peer(f"{side}{number}") for side in "ab"]
            for peer in pair:
                peer.say("claim", nameplate=f"1{number}")
                self.settle()
                (box,) = (each["mailbox"] for each in peer.transport.take() if "mailbox" in each)
                peer.say("open", mailbox=box)
                peer.say("add", phase="pake", body="")
                self.settle()
            self.assertEqual(self.bounds.met, [])
            for peer in pair:
                peer.say("close", mood="scary")
                self.settle()
                peer.client.lost()
        self.peer("late").say("claim", nameplate="8")
        self.assertEqual([bound for bound, _ in self.bounds.met], [Bound.GUESSES])

    def test_nameplates(self) -> None:
        """New nameplates come at a rate; existing ones are claimed all the same, and nothing was created."""
        met = []
        for number in range(62):
            peer = self.peer(f"side {number}")
            peer.say("claim", nameplate=str(100 + number))
            self.settle()
            met.append(peer.types()[-1])
        self.assertEqual(met, ["claimed"] * 60 + ["error"] * 2)
        self.assertEqual({bound for bound, _ in self.bounds.met}, {Bound.NAMEPLATE_RATE})
        self.assertEqual(len(self.store.rows(schema.nameplates, "name")), 60)
        self.assertEqual(len(self.store.rows(schema.mailboxes, "id")), 60)
        for kind, fields in (("allocate", {}), ("open", {"mailbox": "new"})):
            peer = self.peer(f"refused {kind}")
            peer.say(kind, **fields)
            self.settle()
            self.assertEqual(peer.types(), ["ack", "error"])
        self.b.say("claim", nameplate="100")
        self.settle()
        self.assertEqual(self.b.types(), ["ack", "claimed"])

    def test_stored(self) -> None:
        """An address that has stored what it may is refused more until some of it is removed."""
        accounts = self.server.shares.accounts
        accounts.change(attrs.evolve(LIMITS.address, stored=5000))
        self.open_both()
        self.a.say("add", phase="0", body="ab" * 1500)
        self.b.say("add", phase="0", body="ab" * 1500)
        self.settle()
        self.assertNotIn("error", self.a.types())
        self.assertIn("error", self.b.types())
        self.assertEqual(self.bounds.met, [(Bound.STORED, self.a.client.block)])
        self.a.say("add", phase="0", body="ab" * 1500)  # repeated: nothing more is stored
        for peer in (self.a, self.b):
            peer.say("close")
        self.settle()
        self.assertEqual(accounts.stored(self.a.client.block), 0)

    def test_gone_before_the_commit(self) -> None:
        """What a client stored that has gone meanwhile counts; what it did not store does not."""
        accounts = self.server.shares.accounts
        self.open_both()
        before = accounts.stored(self.a.client.block)
        self.hold()
        self.a.say("add", phase="0", body="ab")
        self.a.say("open", mailbox="other")
        self.b.say("claim", nameplate="9")
        self.a.client.lost()
        self.b.client.lost()
        self.let_go()
        after = accounts.stored(self.b.client.block)
        message = MESSAGE_BYTES + len("ab" + "null") + 2 * len("a" + "0")
        self.assertEqual(after - before, message + mailbox_bytes("app", "b"))
        self.assertEqual(accounts.nameplates(self.b.client.block), 1)

    def test_listeners(self) -> None:
        """A side that listens on too many connections is refused another, until one is gone."""
        listeners = [self.peer("a") for _ in range(9)]
        for peer in listeners:
            peer.say("open", mailbox="box")
        self.settle()
        self.assertEqual([peer.types() for peer in listeners], [["ack"]] * 8 + [["ack", "error"]])
        self.assertEqual([bound for bound, _ in self.bounds.met], [Bound.LISTENERS])
        listeners[0].client.lost()
        listeners[8].say("open", mailbox="box")
        self.settle()
        self.assertEqual(listeners[8].types(), ["ack"])

    def test_refused_open_of_a_claimed_mailbox(self) -> None:
        """A client whose open is refused still keeps the mailbox alive whose nameplate it has claimed."""
        self.a.say("claim", nameplate="7")
        self.settle()
        mailbox = self.a.transport.take()[-1]["mailbox"]
        listeners = [self.peer("a") for _ in range(8)]
        for peer in (*listeners, self.a):
            peer.say("open", mailbox=mailbox)
        self.settle()
        self.assertEqual(self.a.types(), ["ack", "error"])
        for peer in listeners:
            peer.client.lost()
        self.assertTrue(self.server.subscriptions.is_present(("app", mailbox)))

    def test_disk_nearly_full(self) -> None:
        """On a disk that is nearly full nothing new is stored; what exists can be released and closed."""
        self.a.say("claim", nameplate="7")
        self.a.say("open", mailbox="box")
        self.settle()
        self.a.transport.take()
        self.server.shares.disk = DiskReserve(lambda: DiskSpace(1000, 100), 100)
        for kind, fields in (("add", {"phase": "0", "body": ""}), ("release", {}), ("close", {})):
            self.a.say(kind, **fields)
        self.b.say("claim", nameplate="8")
        self.settle()
        self.assertEqual(self.a.types(), ["ack", "error", "ack", "released", "ack", "closed"])
        self.assertEqual(self.b.types(), ["ack", "error"])
        self.assertEqual({bound for bound, _ in self.bounds.met}, {Bound.DISK})
        not_ready = self.failureResultOf(self.server.check_database(), DiskFull)
        self.assertIn("nearly full", str(not_ready.value))

    def test_disk_is_looked_at(self) -> None:
        """The check of the database looks at the disk itself, however lately somebody has."""
        free = [1000]
        self.server.shares.disk = DiskReserve(lambda: DiskSpace(1000, free[0]), 100)
        self.assertTrue(self.server.shares.disk.has_room(self.clock.seconds()))
        free[0] = 100
        self.failureResultOf(self.server.check_database(), DiskFull)
