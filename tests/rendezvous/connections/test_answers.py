"""Tests of `rendezvous.connections.answers`."""

from __future__ import annotations

from typing import Any

import attrs
from msgspec import Raw
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.connections.answers import MOST_BYTES, Answer, AnswerQueue
from rendezvous.connections.output import Output
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.ledger import Ledger
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules.nameplates import Claimed
from rendezvous.rules.sql.messages import Added
from tests.rendezvous.conversations import ARRIVED, RecordingListener, command
from tests.rendezvous.fakes import FakeTransport, Recorder
from tests.rendezvous.servers import LIMITS, make_rendezvous
from tests.schedulers import make_scheduler


class AnswerCase(SynchronousTestCase):
    """A case with an empty queue."""

    def setUp(self) -> None:
        """Have one, of a client of which four commands may wait."""
        self.clock = Clock()
        self.clock.advance(10.0)
        self.observer = Recorder()
        self.rendezvous = make_rendezvous(
            self.clock,
            Ledger(make_scheduler(self.clock)),
            self.observer,
            day=lambda: 2000.0,
            limits=attrs.evolve(LIMITS, pending_commands=4),
        )
        self.one_at_a_time = False
        self.transport = FakeTransport()
        self.listener = RecordingListener()
        self.queue = AnswerQueue(
            self.rendezvous, self.transport, Output(self.rendezvous, self.transport)
        )

    def wait(self, kind: str = "list", **fields: Any) -> Answer:
        """Put the answer to a command into the queue."""
        answer = Answer(Raw(b'"%s"' % kind.encode()), b'{"type":"x"}')
        answer.command = command(kind, **fields)
        self.queue.append(answer, one_at_a_time=self.one_at_a_time)
        return answer

    def settle(self, answer: Answer, result: Any) -> None:
        """There is a result, or a refusal."""
        if isinstance(result, Refusal):
            answer.refusal = result
        else:
            answer.result = result
        answer.ready = True
        self.queue.send_ready(self.listener)

    def sent(self) -> list[str]:
        """What has been sent since the last look: ids of acknowledgements, and types."""
        return [
            said["id"] if said["type"] == "ack" else said["type"] for said in self.transport.take()
        ]


class SendTests(AnswerCase):
    """One answer."""

    def test_result(self) -> None:
        """A result is sent behind the acknowledgement; then the connection changes, and it is published."""
        answer = self.wait("claim", nameplate="7")
        self.settle(answer, Claimed("box"))
        ack, claimed = self.transport.take()
        self.assertEqual(ack, {"type": "ack", "id": "claim", "server_tx": 2000.0})
        self.assertEqual(claimed, {"type": "claimed", "mailbox": "box", "server_tx": 2000.0})
        self.assertEqual(self.listener.take(), [("use", ("app", "box"))])
        self.assertEqual(self.observer.errors, [])

    def test_no_reply(self) -> None:
        """Where the acknowledgement is all, it is all that is sent."""
        self.settle(self.wait("add", mailbox="box", phase="0", body=""), Added(1, 1))
        self.assertEqual(self.sent(), ["add"])

    def test_refusal(self) -> None:
        """A refusal is sent with the message that it is about, and counted; nothing follows from it."""
        answer = self.wait("claim", nameplate="7")
        self.settle(answer, Refusal(ErrorKind.CROWDED))
        ack, error = self.transport.take()
        self.assertEqual(ack["id"], "claim")
        self.assertEqual((error["error"], error["orig"]), ("crowded", {"type": "x"}))
        self.assertEqual((self.listener.take(), self.observer.errors), ([], [ErrorKind.CROWDED]))

    def test_not_understood(self) -> None:
        """What was refused before it became a command is answered, and not timed."""
        answer = Answer(Raw(b"5"), b"nonsense")
        self.queue.append(answer, one_at_a_time=False)
        self.settle(answer, Refusal(ErrorKind.UNKNOWN_TYPE))
        self.assertEqual(self.sent(), [5, "error"])
        self.assertEqual(self.observer.answers, [])

    def test_timed(self) -> None:
        """What the ledger was asked is timed by the steady clock, also if it refused; the rest is not."""
        self.settle(self.wait(), [])
        self.settle(self.wait(), Refusal(ErrorKind.UNAVAILABLE))
        self.settle(self.wait("ping", ping=1), None)
        self.assertEqual(self.observer.answers, [10.0 - ARRIVED] * 2)

    def test_published_once(self) -> None:
        """A result is passed on once, with its answer or before it; a refusal is not."""
        retired = Retired(nameplate=Mood.HAPPY)
        first = self.wait("release", nameplate="7")
        first.result = retired
        first.publish(self.rendezvous.context)
        self.settle(first, retired)
        self.assertEqual(self.observer.nameplates, [Mood.HAPPY])
        second = self.wait("release", nameplate="8")
        self.settle(second, retired)
        second.publish(self.rendezvous.context)
        self.assertEqual(self.observer.nameplates, [Mood.HAPPY] * 2)
        third = self.wait("release", nameplate="9")
        self.settle(third, Refusal(ErrorKind.CROWDED))
        third.publish(self.rendezvous.context)
        self.assertEqual(self.observer.nameplates, [Mood.HAPPY] * 2)


class OrderTests(AnswerCase):
    """Several answers."""

    def test_in_order(self) -> None:
        """An answer waits for all that were put into the queue before it."""
        answers = [self.wait("ping", ping=number) for number in range(3)]
        for number in (2, 1):
            self.settle(answers[number], None)
            self.assertEqual(self.sent(), [])
        self.settle(answers[0], None)
        self.assertEqual(self.sent(), ["ping", "pong"] * 3)

    def test_replay(self) -> None:
        """While a mailbox is replayed no answer is sent; it may begin with one that is sent."""
        self.listener.replaying = True
        self.settle(self.wait("ping", ping=1), None)
        self.assertEqual(self.sent(), [])
        self.listener.replaying = False
        self.queue.send_ready(self.listener)
        self.assertEqual(self.sent(), ["ping", "pong"])

    def test_own_messages(self) -> None:
        """Before an own message everything up to its answer is sent, and nothing behind it."""
        self.listener.replaying = True
        self.settle(self.wait("ping", ping=1), None)
        for number in (5, 6):
            self.settle(self.wait("add", mailbox="box", phase="0", body=""), Added(1, number))
        for number, sent in ((4, []), (5, ["ping", "pong", "add"]), (5, []), (7, ["add"])):
            self.queue.send_up_to_own(number, self.listener)
            self.assertEqual(self.sent(), sent)

    def test_own_message_that_is_not_ready(self) -> None:
        """An answer that is not ready holds back those behind it, even those of messages."""
        first = self.wait()
        self.listener.replaying = True
        self.settle(self.wait("add", mailbox="box", phase="0", body=""), Added(1, 5))
        self.queue.send_up_to_own(9, self.listener)
        self.assertEqual(self.sent(), [])
        self.settle(first, [])
        self.queue.send_up_to_own(9, self.listener)
        self.assertEqual(self.sent(), ["list", "nameplates", "add"])

    def test_refused_message(self) -> None:
        """A message that was refused has no number."""
        self.listener.replaying = True
        answer = self.wait("add", mailbox="box", phase="0", body="")
        self.assertEqual(Answer(Raw(b"1"), b"").stored_number, 0)
        self.settle(answer, Refusal(ErrorKind.ADD_BEFORE_OPEN))
        self.assertEqual(answer.stored_number, 0)
        self.queue.send_up_to_own(9, self.listener)
        self.assertEqual(self.sent(), [])

    def test_cleared(self) -> None:
        """When the connection is gone nothing is sent."""
        answer = self.wait()
        self.queue.clear()
        self.settle(answer, [])
        self.assertEqual(self.sent(), [])

    def test_input_is_held(self) -> None:
        """With four answers that wait nothing more is read, until half of them are sent."""
        answers = [self.wait("ping", ping=number) for number in range(3)]
        self.assertFalse(self.transport.paused)
        answers += [self.wait("ping", ping=number) for number in range(3)]
        self.assertTrue(self.transport.paused)
        for place, paused in ((0, True), (1, True), (2, True), (3, False), (4, False)):
            self.settle(answers[place], None)
            self.assertEqual(self.transport.paused, paused, place)
        self.wait()
        self.assertFalse(self.transport.paused)

    def test_one_at_a_time(self) -> None:
        """Of a client that is limited nothing more is read until its answer is sent."""
        self.one_at_a_time = True
        answer = self.wait()
        self.assertTrue(self.transport.paused)
        self.settle(answer, [])
        self.assertFalse(self.transport.paused)

    def test_bytes(self) -> None:
        """Long messages whose answers wait keep the next ones from being read."""
        answers = [Answer(Raw(b"5"), b"x" * (MOST_BYTES // 2)) for _ in range(3)]
        for answer, paused in zip(answers, (False, False, True), strict=True):
            self.queue.append(answer, one_at_a_time=False)
            self.assertEqual(self.transport.paused, paused)
        for answer, paused in zip(answers, (True, True, False), strict=True):
            self.settle(answer, Refusal(ErrorKind.UNKNOWN_TYPE))
            self.assertEqual(self.transport.paused, paused)
        self.wait()
        self.assertFalse(self.transport.paused)
