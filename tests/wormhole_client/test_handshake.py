"""The transit handshake, byte by byte, for both ends, directly and through a relay."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.handshake import Handshake, HandshakeFailure, Step
from wormhole_client.keys import TransitKeys

KEYS = TransitKeys(bytes(range(32)))
SENDER = KEYS.handshake(sender=True)
RECEIVER = KEYS.handshake(sender=False)
REQUEST = b"please relay x\n"


class HandshakeTests(SynchronousTestCase):
    def test_sender(self) -> None:
        """A sender passes with the receiver's handshake; what follows is kept for the records."""
        handshake = Handshake(KEYS, sender=True)
        self.assertEqual(handshake.start(), SENDER)
        self.assertEqual(handshake.feed(RECEIVER + b"more"), b"")
        self.assertEqual((handshake.step, handshake.rest), (Step.PASSED, b"more"))

    def test_receiver(self) -> None:
        """A receiver passes when the sender has also said go."""
        handshake = Handshake(KEYS, sender=False)
        self.assertEqual(handshake.start(), RECEIVER)
        handshake.feed(SENDER)
        self.assertIs(handshake.step, Step.DECISION)
        handshake.feed(b"go\nmore")
        self.assertEqual((handshake.step, handshake.rest), (Step.PASSED, b"more"))

    def test_byte_by_byte(self) -> None:
        """Nothing depends on how the bytes arrive; the handshake follows the relay's ok."""
        for sender, theirs in ((True, RECEIVER), (False, SENDER + b"go\n")):
            with self.subTest(sender=sender):
                handshake = Handshake(KEYS, sender, REQUEST)
                self.assertEqual(handshake.start(), REQUEST)
                said = b"".join(handshake.feed(bytes([each])) for each in b"ok\n" + theirs)
                self.assertEqual(said, KEYS.handshake(sender))
                self.assertIs(handshake.step, Step.PASSED)

    def test_nevermind(self) -> None:
        """A sender that has chosen another connection is not a failure to be afraid of."""
        handshake = Handshake(KEYS, sender=False)
        with self.assertRaises(HandshakeFailure) as caught:
            handshake.feed(SENDER + b"nevermind\n")
        self.assertIn("another connection", str(caught.exception))

    def test_wrong(self) -> None:
        """The first byte that is wrong ends it, and what was said is told."""
        for sender, request, said in (
            (True, b"", b"HTTP/1.1 400\r\n"),
            (True, b"", SENDER),
            (False, b"", RECEIVER),
            (False, b"", SENDER + b"stop\n"),
            (True, REQUEST, b"bad handshake\n"),
            (True, REQUEST, b"ok\nSSH-2.0"),
        ):
            with self.subTest(said=said):
                handshake = Handshake(KEYS, sender, request)
                handshake.start()
                self.assertRaises(HandshakeFailure, handshake.feed, said)

    @given(st.binary(min_size=1), st.booleans(), st.booleans())
    def test_any_bytes(self, said: bytes, sender: bool, relay: bool) -> None:
        """No bytes but the right ones pass."""
        handshake = Handshake(KEYS, sender, REQUEST if relay else b"")
        handshake.start()
        try:
            handshake.feed(said)
        except HandshakeFailure:
            return
        self.assertIsNot(handshake.step, Step.PASSED)
