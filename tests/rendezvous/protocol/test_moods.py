"""Tests of `rendezvous.moods`."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.protocol.moods import Mood, mood_of_client, mood_of_mailbox


class MoodTests(SynchronousTestCase):
    """How a mailbox ended."""

    def test_of_client(self) -> None:
        """A client's four moods are taken at its word; none is happy; any other word is an error."""
        for word, mood in (
            (None, Mood.HAPPY),
            ("happy", Mood.HAPPY),
            ("lonely", Mood.LONELY),
            ("scary", Mood.SCARY),
            ("errory", Mood.ERRORY),
            ("Happy", Mood.ERRORY),
            ("", Mood.ERRORY),
            # The server's own moods are not for clients to claim.
            ("pruney", Mood.ERRORY),
            ("crowded", Mood.ERRORY),
        ):
            self.assertIs(mood_of_client(word), mood)

    def test_worst_counts(self) -> None:
        """Of what two sides say the worst counts: scary, errory, lonely, happy."""
        order = ["happy", "lonely", "errory", "scary"]
        for first, second in product(order, order):
            worst = order[max(order.index(first), order.index(second))]
            self.assertEqual(mood_of_mailbox(first, second, two=True, crowded=False).value, worst)

    def test_alone(self) -> None:
        """Who was alone was lonely, however happy, but scared and in error all the same."""
        for said, mood in (
            ("happy", Mood.LONELY),
            ("lonely", Mood.LONELY),
            ("scary", Mood.SCARY),
            ("errory", Mood.ERRORY),
        ):
            self.assertIs(mood_of_mailbox(said, None, two=False, crowded=False), mood)

    def test_crowded(self) -> None:
        """A third side that was refused is what is remembered."""
        for said in ("happy", "lonely", "scary", "errory"):
            self.assertIs(mood_of_mailbox(said, said, two=True, crowded=True), Mood.CROWDED)
