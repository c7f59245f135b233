"""The pairing, by example and against a model that is too simple to be wrong."""

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
        """Two connections with one token and different sides pair, and neither waits any more."""
        self.assertIsNone(self.pairing.match_or_wait("first", Request(T, A), 0))
        self.assertEqual(self.pairing.match_or_wait("second", Request(T, B), 0), Match("first", ()))
        self.assertEqual(len(self.pairing), 0)

    def test_same_side(self) -> None:
        """Two connections of one side do not pair."""
        self.assertIsNone(self.pairing.match_or_wait("first", Request(T, A), 0))
        self.assertIsNone(self.pairing.match_or_wait("again", Request(T, A), 0))
        self.assertEqual(len(self.pairing), 2)

    def test_other_token(self) -> None:
        """Connections with different tokens do not pair."""
        self.assertIsNone(self.pairing.match_or_wait("first", Request(T, A), 0))
        self.assertIsNone(self.pairing.match_or_wait("stranger", Request(Token(b"u" * 32), B), 0))

    def test_without_side(self) -> None:
        """A connection without a side pairs with any, including another without a side."""
        for waiting, newcomer in ((None, None), (None, A), (A, None)):
            self.assertIsNone(self.pairing.match_or_wait("first", Request(T, waiting), 0))
            match = self.pairing.match_or_wait("second", Request(T, newcomer), 0)
            self.assertEqual(match, Match("first", ()))

    def test_redundant(self) -> None:
        """The newest of several connections of one side is paired; the others are redundant, oldest first."""
        for name in ("oldest", "middle", "newest"):
            self.pairing.match_or_wait(name, Request(T, A), 0)
        match = self.pairing.match_or_wait("buddy", Request(T, B), 0)
        self.assertEqual(match, Match("newest", ("oldest", "middle")))
        self.assertEqual(len(self.pairing), 0)

    def test_leave(self) -> None:
        """A connection that was removed is not paired, and nothing of it is kept."""
        self.pairing.match_or_wait("first", Request(T, A), 0)
        self.pairing.remove("first")
        self.assertIsNone(self.pairing.match_or_wait("second", Request(T, B), 0))
        self.pairing.remove("second")
        self.pairing.remove("second")
        self.assertEqual((len(self.pairing), self.pairing._queues), (0, {}))

    def test_after_a_pair(self) -> None:
        """A connection after a pair was made waits for another, whatever its side."""
        self.pairing.match_or_wait("first", Request(T, A), 0)
        self.pairing.match_or_wait("second", Request(T, B), 0)
        self.assertIsNone(self.pairing.match_or_wait("third", Request(T, A), 0))
        self.assertEqual(self.pairing.match_or_wait("fourth", Request(T, B), 0), Match("third", ()))


requests: Final = st.builds(
    Request,
    st.sampled_from([Token(bytes([number]) * 32) for number in range(3)]),
    st.sampled_from([None, A, B, Side(b"c" * 8)]),
)


class ModelTests(SynchronousTestCase):
    """`Pairing`, against a list that is searched from its end."""

    @settings(max_examples=300)
    @given(st.lists(requests | st.integers(0, 30), max_size=60))
    def test_model(self, steps: list[Request | int]) -> None:
        """New and removed connections, in any order, give the pairs that a search through all would find."""
        pairing: Pairing[int] = Pairing()
        waiting: list[tuple[int, Request]] = []
        for name, step in enumerate(steps):
            if isinstance(step, int):
                pairing.remove(step)
                waiting = [(other, request) for other, request in waiting if other != step]
            else:
                match = pairing.match_or_wait(name, step, name % 4)
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
            for address in range(4):
                of_address = [other for other, _ in waiting if other % 4 == address]
                self.assertEqual(pairing.count(address), len(of_address))
            self.assertEqual(len(pairing._counts), len({other % 4 for other, _ in waiting}))
            self.assertEqual(len(pairing._queues), len({old.token for _, old in waiting}))
