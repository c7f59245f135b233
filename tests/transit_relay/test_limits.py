"""The relay's figures."""

import attrs
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.limits import Limits


class LimitsTests(SynchronousTestCase):
    """`Limits`."""

    def test_dead_peer(self) -> None:
        """With the defaults the kernel finds a dead peer within 5 minutes."""
        self.assertLessEqual(Limits().dead_seconds, 300)

    def test_silent_websocket(self) -> None:
        """With the defaults a dead WebSocket peer is found within 5 minutes of its last byte."""
        limits = Limits()
        self.assertLessEqual(2 * limits.ping_seconds + limits.pong_seconds, 300)

    def test_positive(self) -> None:
        """A time of nothing, or of less, is refused."""
        for field in attrs.fields(Limits):
            for figure in (0, -1):
                with self.assertRaises(ValueError):
                    Limits(**{field.name: figure})
