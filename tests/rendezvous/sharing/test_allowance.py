"""Tests of `rendezvous.sharing.allowance`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.sharing.allowance import ClientAllowance
from rendezvous.sharing.disk import DiskReserve, DiskSpace
from rendezvous.subscriptions import Subscription
from tests.rendezvous.fakes import RecordingSubscriber
from tests.rendezvous.servers import LIMITS, make_shares

ME = 7
BOX = ("app", "box")


class AllowanceCase(SynchronousTestCase):
    """A case with an allowance, on a disk."""

    def setUp(self) -> None:
        """Begin with nothing taken."""
        self.free = 1000
        self.shares = make_shares()
        self.shares.disk = DiskReserve(lambda: DiskSpace(1000, self.free), 100)
        self.allowance = self.another()

    def another(self) -> ClientAllowance:
        """Make one for another connection of the same address."""
        allowance = ClientAllowance(self.shares)
        allowance.block = ME
        return allowance

    def refused(self, kind: ErrorKind, function: object, *arguments: object) -> None:
        """It is refused for that reason."""
        refusal: Refusal = self.assertRaises(Refusal, function, *arguments)
        self.assertIs(refusal.kind, kind)


class DiskTests(AllowanceCase):
    def test_nearly_full(self) -> None:
        """On a disk that is nearly full nothing is stored and nothing is created, and nothing is counted."""
        self.free = 100
        self.refused(ErrorKind.DISK_FULL, self.allowance.take_bytes, 1, 0.0)
        self.assertIs(self.allowance.take_mailbox(500, 0.0), ErrorKind.DISK_FULL)
        self.assertEqual(self.shares.accounts.stored(ME), 0)
        self.free = 101
        self.allowance.take_bytes(1, 1.0)

    def test_coming(self) -> None:
        """What is taken counts for the disk until it is kept or given back."""
        self.free = 300
        for end in (
            self.allowance.give_bytes_back,
            lambda size: self.allowance.keep_bytes(BOX, size),
        ):
            self.allowance.take_bytes(100, 0.0)
            self.refused(ErrorKind.DISK_FULL, self.another().take_bytes, 1, 0.0)
            end(100)
        self.allowance.take_bytes(1, 0.0)


class StoredTests(AllowanceCase):
    def test_address(self) -> None:
        """All connections of an address have one account, which outlives them."""
        most = LIMITS.address.stored or 0
        self.shares.disk.change(0)
        self.allowance.take_bytes(most, 0.0)
        self.allowance.keep_bytes(BOX, most)
        self.allowance.lost(0.0)
        self.refused(ErrorKind.TOO_MUCH_STORED, self.another().take_bytes, 1, 0.0)


class ListenerTests(AllowanceCase):
    def test_most(self) -> None:
        """A side listens to a mailbox on so many connections; the other side on as many."""
        for _ in range(LIMITS.listeners or 0):
            self.allowance.check_listeners(BOX, "a")
            self.shares.subscriptions.subscribe(Subscription(BOX, "a", RecordingSubscriber()))
        self.refused(ErrorKind.TOO_MANY_LISTENERS, self.allowance.check_listeners, BOX, "a")
        self.allowance.check_listeners(BOX, "b")
        self.allowance.check_listeners(("app", "other"), "a")
        self.shares.listeners = None
        self.allowance.check_listeners(BOX, "a")


class GuessTests(AllowanceCase):
    def guesses(self) -> float:
        """Return how many wrong guesses were counted."""
        left: float = self.shares.guesses._buckets.level(ME, 0.0)
        return (LIMITS.guesses or 0) - left

    def test_crowded(self) -> None:
        """A claim that met two others is a guess."""
        self.allowance.guessed(0.0)
        self.allowance.lost(0.0)
        self.assertEqual(self.guesses(), 1)

    def test_silent(self) -> None:
        """A second side that leaves without a message has guessed, once."""
        self.allowance.joined()
        self.allowance.lost(0.0)
        self.allowance.lost(0.0)
        self.assertEqual(self.guesses(), 1)

    def test_scary(self) -> None:
        """A second side that meets a wrong password has guessed, once; a first side has not."""
        self.allowance.closed_scary(0.0)
        self.assertEqual(self.guesses(), 0)
        self.allowance.joined()
        self.allowance.keep_bytes(BOX, 0)
        self.allowance.closed_scary(0.0)
        self.allowance.lost(0.0)
        self.assertEqual(self.guesses(), 1)

    def test_honest(self) -> None:
        """A second side that has said something may leave at any time."""
        self.allowance.joined()
        self.allowance.keep_bytes(BOX, 0)
        self.allowance.lost(0.0)
        self.assertEqual(self.guesses(), 0)

    def test_own_nameplate(self) -> None:
        """Who claims what it was given does not wait, whatever others of its address have done."""
        for _ in range(20):
            self.allowance.guessed(0.0)
        self.allowance.allocated("4")
        self.assertEqual(self.allowance.delay("4", 0.0), 0.0)
        self.assertEqual(self.allowance.delay("5", 0.0), 60.0)
