"""Tests of `rendezvous.sharing.guesses`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.sharing.guesses import MOST_SECONDS, Guesses

ME, OTHER = 7, 8


class GuessesTests(SynchronousTestCase):
    def test_doubling(self) -> None:
        """Ten guesses are free; from then on an address waits twice as long after each, up to a minute."""
        guesses = Guesses(10)
        delays = []
        for _ in range(20):
            delays.append(guesses.delay(ME, 0.0))
            guesses.wrong(ME, 0.0)
        self.assertEqual(delays, [0.0] * 10 + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [MOST_SECONDS] * 4)
        self.assertEqual(guesses.delay(OTHER, 0.0), 0.0)

    def test_forgiven(self) -> None:
        """However much an address has guessed, the delay is gone after three quarters of an hour."""
        guesses = Guesses(10)
        for _ in range(1000):
            guesses.wrong(ME, 0.0)
        self.assertEqual(guesses.delay(ME, 0.0), MOST_SECONDS)
        self.assertGreater(guesses.delay(ME, 30 * 60.0), 1.0)
        self.assertEqual(guesses.delay(ME, 45 * 60.0), 0.0)

    def test_no_limit(self) -> None:
        """Without a limit, and without an address, nobody waits; another limit holds from then on."""
        guesses = Guesses(None)
        for _ in range(100):
            guesses.wrong(ME, 0.0)
        self.assertEqual(guesses.delay(ME, 0.0), 0.0)
        guesses.change(1)
        for _ in range(100):
            guesses.wrong(0, 0.0)
        self.assertEqual(guesses.delay(0, 0.0), 0.0)
        guesses.wrong(ME, 0.0)
        self.assertEqual(guesses.delay(ME, 0.0), 1.0)
