"""Tests of the session of a file transfer, over a server in memory."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import World
from wormhole_client.errors import ProtocolError, WormholeClosed
from wormhole_client.transfers import messages
from wormhole_client.transfers.session import PeerError, TransferError, TransferSession
from wormhole_client.wormhole import Wormhole


class TransferSessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.ours, self.peer = self.world.wormhole("ours"), self.world.wormhole("peer")
        for each in (self.ours, self.peer):
            each.set_code("4-a-b")
        self.session = TransferSession(self.ours, self.world.clock)

    def begin(self, work: Any) -> Deferred[Any]:
        running: Deferred[Any] = Deferred.fromCoroutine(work)
        self.world.settle()
        return running

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self.peer.send_message(message)
        self.world.settle()

    def heard(self, wormhole: Wormhole) -> bytes:
        message = wormhole.get_message()
        self.world.settle()
        return self.successResultOf(message)

    def test_in_any_order(self) -> None:
        """A message that comes before its turn is kept."""
        self.say(messages.encode_transit([], [1]), messages.encode_answer(messages.TextOffer("")))
        accepted = self.begin(self.session.receive(messages.AnswerMessage))
        self.assertEqual(self.successResultOf(accepted), messages.AnswerMessage())
        hints = self.begin(self.session.receive(messages.TransitMessage))
        self.assertEqual(self.successResultOf(hints), messages.TransitMessage([1]))

    def test_trouble(self) -> None:
        """A peer that gives up is quoted, whichever message was expected."""
        waiting = self.begin(self.session.receive(messages.AnswerMessage))
        self.say(messages.encode_abort("no room"))
        self.assertIn("no room", self.failureResultOf(waiting, PeerError).getErrorMessage())

    def test_nonsense(self) -> None:
        """A message of another protocol is a protocol error."""
        waiting = self.begin(self.session.receive(messages.AnswerMessage))
        self.say(b"nonsense")
        self.failureResultOf(waiting, ProtocolError)

    def test_verified(self) -> None:
        """A verifier that the user confirms passes; one that the user rejects ends both ends."""
        seen: list[bytes] = []

        async def yes(verifier: bytes) -> bool:
            seen.append(verifier)
            return True

        async def no(_: bytes) -> bool:
            return False

        self.successResultOf(self.begin(self.session.verify(yes)))
        self.assertEqual(len(seen[0]), 32)
        self.successResultOf(self.begin(self.session.verify(None)))
        self.failureResultOf(self.begin(self.session.run(self.session.verify(no))), TransferError)
        self.world.settle()
        self.assertIsInstance(
            messages.parse_message(self.heard(self.peer))[0], messages.AbortMessage
        )

    def test_trouble_stops_work(self) -> None:
        """Work is cancelled when the peer gives up, and fails with the peer's text."""
        work: Deferred[None] = Deferred()
        running = self.begin(self.session.unless_aborted(work))
        self.assertNoResult(running)
        self.say(messages.encode_abort("no room"))
        self.failureResultOf(running, PeerError)

    def test_work_ends_first(self) -> None:
        """Work that ends by itself takes no later message."""
        for fail in (False, True):
            work: Deferred[str] = Deferred()
            running = self.begin(self.session.unless_aborted(work))
            if fail:
                work.errback(ValueError())
                self.failureResultOf(running, ValueError)
            else:
                work.callback("done")
                self.assertEqual(self.successResultOf(running), "done")
        self.say(b"{}")
        self.assertEqual(self.heard(self.ours), b"{}")

    def test_closed_meanwhile(self) -> None:
        """Work is cancelled when the wormhole is closed."""
        running = self.begin(self.session.unless_aborted(Deferred()))
        self.ours.close()
        self.world.settle()
        self.failureResultOf(running, WormholeClosed)
