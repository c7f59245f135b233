"""Tests of the transit handshake, byte by byte, of both ends, direct and through a relay."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.keys import TransitKeys
from wormhole_client.transit.handshake import HandshakeStep, TransitHandshake, TransitHandshakeError

KEYS = TransitKeys(bytes(range(32)))
SENDER = KEYS.handshake(sender=True)
RECEIVER = KEYS.handshake(sender=False)
REQUEST = b"please relay x\n"


class HandshakeTests(SynchronousTestCase):
    def test_sender(self) -> None:
        """A sender passes with the receiver's handshake; what follows is kept for the records."""
        handshake = TransitHandshake(KEYS, sender=True)
        self.assertEqual(handshake.start(), SENDER)
        self.assertEqual(handshake.feed(RECEIVER + b"more"), b"")
        self.assertEqual((handshake.step, handshake.rest), (HandshakeStep.PASSED, b"more"))

    def test_receiver(self) -> None:
        """A receiver passes when the sender has also sent go."""
        handshake = TransitHandshake(KEYS, sender=False)
        self.assertEqual(handshake.start(), RECEIVER)
        handshake.feed(SENDER)
        self.assertIs(handshake.step, HandshakeStep.DECISION)
        handshake.feed(b"go\nmore")
        self.assertEqual((handshake.step, handshake.rest), (HandshakeStep.PASSED, b"more"))

    def test_byte_by_byte(self) -> None:
        """The handshake follows the relay's ok, however the bytes are cut."""
        for sender, theirs in ((True, RECEIVER), (False, SENDER + b"go\n")):
            with self.subTest(sender=sender):
                handshake = TransitHandshake(KEYS, sender, REQUEST)
                self.assertEqual(handshake.start(), REQUEST)
                said = b"".join(handshake.feed(bytes([each])) for each in b"ok\n" + theirs)
                self.assertEqual(said, KEYS.handshake(sender))
                self.assertIs(handshake.step, HandshakeStep.PASSED)

    def test_nevermind(self) -> None:
        """A sender that has chosen another connection is not a failure to be afraid of."""
        handshake = TransitHandshake(KEYS, sender=False)
        with self.assertRaises(TransitHandshakeError) as caught:
            handshake.feed(SENDER + b"nevermind\n")
        self.assertIn("another connection", str(caught.exception))

    def test_wrong(self) -> None:
        """The first wrong byte ends it, and the error quotes what was received."""
        for sender, request, said in (
            (True, b"", b"HTTP/1.1 400\r\n"),
            (True, b"", SENDER),
            (False, b"", RECEIVER),
            (False, b"", SENDER + b"stop\n"),
            (True, REQUEST, b"bad handshake\n"),
            (True, REQUEST, b"ok\nSSH-2.0"),
        ):
            with self.subTest(said=said):
                handshake = TransitHandshake(KEYS, sender, request)
                handshake.start()
                self.assertRaises(TransitHandshakeError, handshake.feed, said)

    @given(st.binary(min_size=1), st.booleans(), st.booleans())
    def test_any_bytes(self, said: bytes, sender: bool, relay: bool) -> None:
        """No bytes but the right ones pass."""
        handshake = TransitHandshake(KEYS, sender, REQUEST if relay else b"")
        handshake.start()
        try:
            handshake.feed(said)
        except TransitHandshakeError:
            return
        self.assertIsNot(handshake.step, HandshakeStep.PASSED)
