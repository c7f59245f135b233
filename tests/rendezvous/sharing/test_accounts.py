"""Tests of `rendezvous.sharing.accounts`."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind
from rendezvous.sharing import accounts as accounts_module
from rendezvous.sharing.accounts import Accounts, AddressLimits
from wormhole_limits.buckets import Rate

LIMITS = AddressLimits(stored=10_000, nameplates=3, new_mailboxes=Rate(1.0, 5.0))
ME, OTHER = 7, 8
BOX = ("app", "box")
SIZE = 500  # of a mailbox


class AccountCase(SynchronousTestCase):
    """A case with accounts, and what a client does with them."""

    def setUp(self) -> None:
        """Begin with nothing."""
        self.accounts = Accounts(LIMITS)

    def create(self, name: str, block: int = ME, now: float = 0.0) -> ErrorKind | None:
        """Create a nameplate, and a mailbox of the same name."""
        refused = self.accounts.take_mailbox(block, SIZE, now)
        if refused is None:
            self.accounts.keep_mailbox(block, ("app", name), name, SIZE)
        return refused

    def store(self, size: int, block: int = ME, address: tuple[str, str] = BOX) -> bool:
        """Store bytes in a mailbox."""
        taken = self.accounts.take_bytes(block, size)
        if taken:
            self.accounts.keep_bytes(block, address, size)
        return taken

    def sums(self, block: int = ME) -> tuple[int, int]:
        """Return the stored bytes and the nameplates of an address."""
        return self.accounts.stored(block), self.accounts.nameplates(block)


class StoredTests(AccountCase):
    """Bytes."""

    def test_most(self) -> None:
        """An address stores as much as it may, in whichever mailboxes, and another one as much again."""
        self.assertTrue(self.store(6_000))
        self.assertTrue(self.store(4_000, address=("app", "other")))
        self.assertFalse(self.store(1))
        self.assertTrue(self.store(10_000, OTHER))
        self.assertEqual((self.sums(ME), self.sums(OTHER)), ((10_000, 0), (10_000, 0)))

    def test_not_stored(self) -> None:
        """What was not stored after all counts no more; until it is known, it counts."""
        self.assertTrue(self.accounts.take_bytes(ME, 9_000))
        self.assertFalse(self.store(2_000))
        self.accounts.give_bytes_back(ME, 9_000)
        self.assertTrue(self.store(2_000))

    def test_removed(self) -> None:
        """A mailbox that is removed takes along what every address has stored in it."""
        self.store(6_000)
        self.store(5_000, OTHER)
        self.store(100, address=("app", "other"))
        self.accounts.mailbox_removed(BOX)
        self.assertEqual((self.sums(ME), self.sums(OTHER)), ((100, 0), (0, 0)))
        self.accounts.mailbox_removed(BOX)
        self.assertEqual(self.sums(ME), (100, 0))

    def test_without_address(self) -> None:
        """Clients without an IP address have no bounds."""
        self.assertTrue(self.store(1 << 40, 0))
        for name in map(str, range(20)):
            self.assertIsNone(self.create(name, 0))

    def test_no_limits(self) -> None:
        """Without limits nothing is refused; limits that are set later hold from then on."""
        self.accounts.change(AddressLimits(None, None, None))
        for name in map(str, range(20)):
            self.assertIsNone(self.create(name))
        self.assertTrue(self.store(1 << 40))
        self.accounts.change(LIMITS)
        self.assertIs(self.create("20"), ErrorKind.TOO_MANY_NAMEPLATES)
        self.assertFalse(self.store(1))


class NameplateTests(AccountCase):
    """Nameplates, and mailboxes without one."""

    def test_most(self) -> None:
        """An address has as many nameplates as it may, and another one as many again."""
        self.assertEqual([self.create(name) for name in "123"], [None] * 3)
        self.assertIs(self.create("4"), ErrorKind.TOO_MANY_NAMEPLATES)
        self.assertIsNone(self.create("4", OTHER))

    def test_removed(self) -> None:
        """A nameplate counts until it is removed, by itself or with its mailbox, whichever comes first."""
        for name in "123":
            self.create(name)
        self.accounts.nameplate_removed("app", "1")
        self.accounts.nameplate_removed("app", "1")
        self.accounts.mailbox_removed(("app", "1"))
        self.assertEqual(self.sums(), (2 * SIZE, 2))
        self.accounts.mailbox_removed(("app", "2"))
        self.assertEqual(self.sums(), (SIZE, 1))
        self.accounts.nameplate_removed("another app", "3")
        self.assertEqual(self.sums(), (SIZE, 1))

    def test_rate(self) -> None:
        """New ones come at a rate, after a burst; what was not created after all does not count."""
        self.accounts.change(attrs.evolve(LIMITS, nameplates=None))
        self.assertEqual([self.create(str(n)) for n in range(5)], [None] * 5)
        self.assertIs(self.create("5"), ErrorKind.TOO_FAST)
        self.assertIsNone(self.create("5", now=1.0))
        for _ in range(10):
            self.assertIsNone(self.accounts.take_mailbox(ME, SIZE, 2.0))
            self.accounts.give_mailbox_back(ME, SIZE, 2.0)
        self.assertEqual(self.sums(), (6 * SIZE, 6))

    def test_refused_is_free(self) -> None:
        """What is refused counts nowhere."""
        self.store(LIMITS.stored or 0)
        for _ in range(10):
            self.assertIs(self.create("1"), ErrorKind.TOO_MUCH_STORED)
        self.accounts.mailbox_removed(BOX)
        self.assertEqual(self.sums(), (0, 0))
        self.assertEqual([self.create(name) for name in "123"], [None] * 3)

    def test_without_nameplate(self) -> None:
        """A mailbox that was opened without a nameplate counts for the rate and its bytes."""
        self.assertIsNone(self.accounts.take_mailbox(ME, SIZE, 0.0))
        self.accounts.keep_mailbox(ME, BOX, None, SIZE)
        self.assertEqual(self.sums(), (SIZE, 0))


class ComparisonTests(AccountCase):
    """What other instances and expiry have removed."""

    def test_compare(self) -> None:
        """Mailboxes and nameplates that the database does not have count no more."""
        for name in "123":
            self.create(name)
        self.store(100, address=("other app", "box"))
        asked = dict(self.accounts.mailboxes(50))
        self.assertEqual(asked, {"app": ["1", "2", "3"], "other app": ["box"]})
        self.accounts.compare("app", asked["app"], {"2": None, "3": "3"})
        self.accounts.compare("other app", ["box", "unknown"], {"box": None})
        self.assertEqual(self.sums(), (2 * SIZE + 100, 1))
        self.assertEqual(len(self.accounts), 3)

    def test_allocated_again(self) -> None:
        """A nameplate that somebody else has by now counts for them alone, as long as it exists."""
        found: dict[str, str | None] = {}
        for block, mailbox in ((ME, "first"), (ME, "second"), (OTHER, "third")):
            self.assertIsNone(self.accounts.take_mailbox(block, SIZE, 0.0))
            self.accounts.keep_mailbox(block, ("app", mailbox), "4", SIZE)
            found = {**dict.fromkeys(found), mailbox: "4"}
            self.accounts.compare("app", list(found), found)
        self.assertEqual((self.sums(ME), self.sums(OTHER)), ((2 * SIZE, 0), (SIZE, 1)))
        self.accounts.nameplate_removed("app", "4")
        self.assertEqual((self.sums(ME), self.sums(OTHER)), ((2 * SIZE, 0), (SIZE, 0)))

    def test_steps(self) -> None:
        """So many mailboxes are asked about at once."""
        for name in "123":
            self.create(name)
        self.assertEqual(list(self.accounts.mailboxes(2)), [("app", ["1", "2"]), ("app", ["3"])])

    def test_bounded(self) -> None:
        """No more mailboxes are remembered than may be; the oldest are forgotten with what is in them."""
        self.patch(accounts_module, "MAX_MAILBOXES", 5)
        for name in map(str, range(20)):
            self.store(100, address=("app", name))
        self.assertEqual((len(self.accounts), self.sums()), (5, (500, 0)))


class ModelTests(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["create", "store", "plate", "box"]),
                st.sampled_from("123"),
                st.sampled_from([ME, OTHER]),
                st.integers(1, 4000),
            ),
            max_size=40,
        )
    )
    def test_sums(self, steps: list[tuple[str, str, int, int]]) -> None:
        """Whatever happens, the sums are those of what exists, and nothing is left when nothing does."""
        accounts = Accounts(LIMITS)
        boxes: dict[str, dict[int, int]] = {}
        plates: dict[str, int] = {}
        for what, name, block, size in steps:
            if what == "create" and name not in boxes:
                if accounts.take_mailbox(block, SIZE, 0.0) is None:
                    accounts.keep_mailbox(block, ("app", name), name, SIZE)
                    boxes[name] = {block: SIZE}
                    plates[name] = block
            elif what == "store":
                if accounts.take_bytes(block, size):
                    accounts.keep_bytes(block, ("app", name), size)
                    box = boxes.setdefault(name, {})
                    box[block] = box.get(block, 0) + size
            elif what == "plate":
                accounts.nameplate_removed("app", name)
                plates.pop(name, None)
            else:
                accounts.mailbox_removed(("app", name))
                boxes.pop(name, None)
                plates.pop(name, None)
            for one in (ME, OTHER):
                stored = sum(box.get(one, 0) for box in boxes.values())
                self.assertEqual(accounts.stored(one), stored)
                self.assertEqual(accounts.nameplates(one), list(plates.values()).count(one))
                self.assertLessEqual(stored, LIMITS.stored or 0)
        for name in "123":
            accounts.mailbox_removed(("app", name))
        self.assertEqual((len(accounts._accounts), len(accounts._by_nameplate)), (0, 0))
