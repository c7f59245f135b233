"""The conversation of two transfers, over wormholes on a fake server."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.support import World
from wormhole_client import offers
from wormhole_client.errors import ProtocolError, WormholeClosed
from wormhole_client.talk import PeerError, Talk, TransferError
from wormhole_client.wormhole import Wormhole


class TalkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.ours, self.peer = self.world.wormhole("ours"), self.world.wormhole("peer")
        for each in (self.ours, self.peer):
            each.set_code("4-a-b")
        self.talk = Talk(self.ours)

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
        """What is heard before it is asked for is kept."""
        self.say(offers.transit([], [1]), offers.accepted(offers.Text("")))
        accepted = self.begin(self.talk.hear(offers.Accepted))
        self.assertEqual(self.successResultOf(accepted), offers.Accepted())
        hints = self.begin(self.talk.hear(offers.TransitSaid))
        self.assertEqual(self.successResultOf(hints), offers.TransitSaid([1]))

    def test_trouble(self) -> None:
        """A peer that gives up is quoted, whatever was expected."""
        waiting = self.begin(self.talk.hear(offers.Accepted))
        self.say(offers.trouble("no room"))
        self.assertIn("no room", self.failureResultOf(waiting, PeerError).getErrorMessage())

    def test_nonsense(self) -> None:
        """A peer that talks nonsense is told apart."""
        waiting = self.begin(self.talk.hear(offers.Accepted))
        self.say(b"nonsense")
        self.failureResultOf(waiting, ProtocolError)

    def test_verified(self) -> None:
        """A verifier that the person confirms is fine; one that is not ends it at both ends."""
        seen: list[bytes] = []

        async def yes(verifier: bytes) -> bool:
            seen.append(verifier)
            return True

        async def no(_: bytes) -> bool:
            return False

        self.successResultOf(self.begin(self.talk.verify(yes)))
        self.assertEqual(len(seen[0]), 32)
        self.successResultOf(self.begin(self.talk.verify(None)))
        self.failureResultOf(self.begin(self.talk.verify(no)), TransferError)
        self.world.settle()
        self.assertIsInstance(offers.parse(self.heard(self.peer))[0], offers.Trouble)

    def test_trouble_stops_work(self) -> None:
        """Work is cancelled when the peer gives up, and its word is the reason."""
        work: Deferred[None] = Deferred()
        running = self.begin(self.talk.unless_trouble(work))
        self.assertNoResult(running)
        self.say(offers.trouble("no room"))
        self.failureResultOf(running, PeerError)

    def test_work_ends_first(self) -> None:
        """Work that ends by itself leaves the next message to the next who asks."""
        for fail in (False, True):
            work: Deferred[str] = Deferred()
            running = self.begin(self.talk.unless_trouble(work))
            if fail:
                work.errback(ValueError())
                self.failureResultOf(running, ValueError)
            else:
                work.callback("done")
                self.assertEqual(self.successResultOf(running), "done")
        self.say(b"{}")
        self.assertEqual(self.heard(self.ours), b"{}")

    def test_closed_meanwhile(self) -> None:
        """A wormhole that is closed under it stops the work too."""
        running = self.begin(self.talk.unless_trouble(Deferred()))
        self.ours.close()
        self.world.settle()
        self.failureResultOf(running, WormholeClosed)
