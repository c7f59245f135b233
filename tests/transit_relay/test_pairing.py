"""Who waits for whom, against a model that is too simple to be wrong."""

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.handshake import Request, Side, Token
from transit_relay.pairing import Match, Pairing

T: Final = Token(b"t" * 32)
A: Final = Side(b"a" * 8)
B: Final = Side(b"b" * 8)


class PairingTests(SynchronousTestCase):
    """`Pairing`, by example."""

    def setUp(self) -> None:
        self.pairing: Pairing[str] = Pairing()

    def test_two_sides(self) -> None:
        """Two connections with one token and different sides pair, and wait no more."""
        self.assertIsNone(self.pairing.arrive("first", Request(T, A)))
        self.assertEqual(self.pairing.arrive("second", Request(T, B)), Match("first", ()))
        self.assertEqual(len(self.pairing), 0)

    def test_same_side(self) -> None:
        """A client does not meet itself."""
        self.assertIsNone(self.pairing.arrive("first", Request(T, A)))
        self.assertIsNone(self.pairing.arrive("again", Request(T, A)))
        self.assertEqual(len(self.pairing), 2)

    def test_other_token(self) -> None:
        """Tokens that differ keep strangers apart."""
        self.assertIsNone(self.pairing.arrive("first", Request(T, A)))
        self.assertIsNone(self.pairing.arrive("stranger", Request(Token(b"u" * 32), B)))

    def test_without_side(self) -> None:
        """A client of before there were sides pairs with any, also with another of its kind."""
        for waiting, newcomer in ((None, None), (None, A), (A, None)):
            self.assertIsNone(self.pairing.arrive("first", Request(T, waiting)))
            match = self.pairing.arrive("second", Request(T, newcomer))
            self.assertEqual(match, Match("first", ()))

    def test_redundant(self) -> None:
        """Of several of one side the newest is paired; the others are redundant, oldest first."""
        for name in ("oldest", "middle", "newest"):
            self.pairing.arrive(name, Request(T, A))
        match = self.pairing.arrive("buddy", Request(T, B))
        self.assertEqual(match, Match("newest", ("oldest", "middle")))
        self.assertEqual(len(self.pairing), 0)

    def test_leave(self) -> None:
        """Who has left is not paired, and nothing is kept of it."""
        self.pairing.arrive("first", Request(T, A))
        self.pairing.leave("first")
        self.assertIsNone(self.pairing.arrive("second", Request(T, B)))
        self.pairing.leave("second")
        self.pairing.leave("second")
        self.assertEqual((len(self.pairing), self.pairing._queues), (0, {}))

    def test_after_a_pair(self) -> None:
        """Who comes after a pair was made waits for the next, whatever its side."""
        self.pairing.arrive("first", Request(T, A))
        self.pairing.arrive("second", Request(T, B))
        self.assertIsNone(self.pairing.arrive("third", Request(T, A)))
        self.assertEqual(self.pairing.arrive("fourth", Request(T, B)), Match("third", ()))


requests: Final = st.builds(
    Request,
    st.sampled_from([Token(bytes([number]) * 32) for number in range(3)]),
    st.sampled_from([None, A, B, Side(b"c" * 8)]),
)


class ModelTests(SynchronousTestCase):
    """`Pairing` against a list that is searched from its end."""

    @settings(max_examples=300)
    @given(st.lists(requests | st.integers(0, 30), max_size=60))
    def test_model(self, steps: list[Request | int]) -> None:
        """Arrivals and departures in any order pair whom a search through all that wait would."""
        pairing: Pairing[int] = Pairing()
        waiting: list[tuple[int, Request]] = []
        for name, step in enumerate(steps):
            if isinstance(step, int):
                pairing.leave(step)
                waiting = [(other, request) for other, request in waiting if other != step]
            else:
                match = pairing.arrive(name, step)
                same = [(other, old) for other, old in waiting if old.token == step.token]
                fits = [
                    other
                    for other, old in same
                    if old.side is None or step.side is None or old.side != step.side
                ]
                if not fits:
                    self.assertIsNone(match)
                    waiting.append((name, step))
                else:
                    rest = tuple(other for other, _ in same if other != fits[-1])
                    self.assertEqual(match, Match(fits[-1], rest))
                    waiting = [pair for pair in waiting if pair not in same]
            self.assertEqual(len(pairing), len(waiting))
            self.assertEqual(len(pairing._queues), len({old.token for _, old in waiting}))
