"""Turns: how much each direction may move in a round of the reactor."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.links.turns import LEAST, ROUND, Turns


class TurnsTests(SynchronousTestCase):
    """`Turns`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)

    def shares(self, directions: int) -> list[int]:
        """What each of so many gets in one round."""
        shares = [self.turns.share() for _ in range(directions)]
        self.clock.advance(0)
        return shares

    def test_alone(self) -> None:
        """Who is alone has the whole round."""
        self.assertEqual(self.shares(1), [ROUND])
        self.assertEqual(self.shares(1), [ROUND])

    def test_several(self) -> None:
        """Several share it equally, from the next round on; when they are gone, so is that."""
        self.shares(4)
        self.assertEqual(self.shares(4), [ROUND // 4] * 4)
        self.shares(1)
        self.assertEqual(self.shares(1), [ROUND])

    def test_many(self) -> None:
        """Nobody gets so little that it does not pay."""
        self.shares(1000)
        self.assertEqual(self.shares(1), [LEAST])

    def test_no_timer_is_left(self) -> None:
        """When nobody has anything to move, nothing ticks."""
        self.shares(3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
