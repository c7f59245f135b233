"""Tests of `rendezvous.allocation`, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import random
from collections.abc import Collection

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.rules import allocation
from rendezvous.rules.allocation import FULL_SECONDS, Allocator
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase

APP, OTHER_APP = "app", "another app"
_NUMBERS = """
    WITH RECURSIVE numbers(number) AS (
        SELECT CAST(:first AS INTEGER)
        UNION ALL SELECT number + 1 FROM numbers WHERE number < :last
    )
"""
_TAKE = """
    INSERT INTO nameplates (
        app, digits, name, mailbox, first_side, first_released, second_released, crowded, created, used
    )
    SELECT :app, length(name), name, name, 'side', false, false, false, 0, 0 FROM ({}) AS given
"""


class AllocationRules(StoreCase):
    """A random one of the shortest length that has one free."""

    __test__ = False

    def setUp(self) -> None:
        """Begin with an empty database."""
        super().setUp()
        self.now = 1000.0
        self.allocator = Allocator(random.Random(7).randrange)

    def take(self, *names: str, app: str = APP) -> None:
        """Let nameplates be in use."""
        for name in names:
            self.store.write(_TAKE.format("SELECT :name AS name"), name=name, app=app)

    def take_all(self, first: int, last: int, but: int | None = None, app: str = APP) -> None:
        """Let all nameplates from the first to the last be in use."""
        names = "SELECT CAST(number AS TEXT) AS name FROM numbers"
        self.store.write(_NUMBERS + _TAKE.format(names), first=first, last=last, app=app)
        if but is not None:
            self.free(str(but))

    def free(self, name: str) -> None:
        """Let a nameplate be gone."""
        self.store.write("DELETE FROM nameplates WHERE name = :name", name=name)

    def find(self, app: str = APP, passed_over: Collection[str] = ()) -> str:
        """Find a free one."""
        return self.store.run(lambda tx: self.allocator.find(tx, app, self.now, passed_over))

    def test_shortest(self) -> None:
        """With nothing in use it is one digit, never 0, and each of the nine comes up."""
        self.assertEqual({self.find() for _ in range(200)}, set("123456789"))

    def test_last_of_a_length(self) -> None:
        """The last free one of a length is found, whichever it is."""
        for free in (1, 5, 9):
            self.store.clear()
            self.take_all(1, 9, but=free)
            self.assertEqual(self.find(), str(free))
        self.take(str(free))
        self.take_all(10, 99, but=77)
        self.assertEqual(self.find(), "77")

    def test_next_length(self) -> None:
        """With 1 to 99 in use it is three digits, and each may come up."""
        self.take_all(1, 99)
        found = {int(self.find()) for _ in range(50)}
        self.assertTrue(all(100 <= number <= 999 for number in found))
        self.assertGreater(len(found), 40)

    def test_four_digits(self) -> None:
        """With 1 to 999 in use it is four digits that are not in use."""
        self.take_all(1, 999)
        self.take_all(1000, 7000)
        for _ in range(20):
            self.assertTrue(7001 <= int(self.find()) <= 9999)

    def test_random(self) -> None:
        """With four digits the first of some random ones that is free is found."""
        self.take_all(1, 1004)
        draws = iter([4, *range(5, 68), 8000])
        self.allocator = Allocator(lambda _: next(draws))
        self.assertEqual(self.find(), "1005")

    def test_last_of_four_digits(self) -> None:
        """The last free one of four digits is found wherever the search begins."""
        self.take_all(1, 999)
        self.take_all(1000, 9999, but=4321)
        for start in (1000, 4000, 4321, 4322, 8000, 9000, 9999):
            # All random tries miss, and the walk begins at `start`.
            draws = [1] * 64 + [start - 1000]
            bounds: list[int] = []

            def below(bound: int, draws: list[int] = draws, bounds: list[int] = bounds) -> int:
                bounds.append(bound)
                return draws.pop(0)

            self.allocator = Allocator(below)
            self.assertEqual(self.find(), "4321")
            self.assertEqual(bounds, [9000] * 65)

    def test_all_of_four_digits(self) -> None:
        """With 1 to 9999 in use it is five digits."""
        self.take_all(1, 9999)
        self.assertEqual(len(self.find()), 5)

    def test_full_length_of_four_digits(self) -> None:
        """That a longer length is full is remembered like that of a short one."""
        self.take_all(1, 9999)
        for _ in range(2):
            self.assertEqual(len(self.find()), 5)
        self.free("4321")
        self.assertEqual(len(self.find()), 5)
        self.now += FULL_SECONDS
        self.assertEqual(self.find(), "4321")

    def test_passed_over(self) -> None:
        """A nameplate that another transaction is taking is not found, and its length is not full."""
        self.take_all(1, 9999, but=7)
        self.assertEqual(len(self.find(passed_over={"7"})), 5)
        self.assertEqual(self.find(), "7")
        self.take("7")
        for taking in ("1000", "4321", "9999"):
            self.free(taking)
            self.now += FULL_SECONDS
            self.assertEqual(len(self.find(passed_over={taking})), 5)
            self.assertEqual(self.find(), taking)
            self.take(taking)

    def test_leading_zeros_do_not_count(self) -> None:
        """Nameplates with leading zeros are nobody's to be given, and take no one's place."""
        self.take("0", "00", "000", "0000", *(f"{n:02}" for n in range(1, 10)))
        self.take_all(1, 8)
        self.assertEqual(self.find(), "9")
        self.take("9")
        self.take_all(10, 99, but=10)
        self.assertEqual(self.find(), "10")
        self.take("10")
        self.take_all(100, 999)
        self.take_all(1000, 9999, but=4321)
        self.take(*(f"{n:04}" for n in range(1, 100)))
        self.assertEqual(self.find(), "4321")

    def test_apps_are_apart(self) -> None:
        """Nameplates of one app take none from another."""
        self.take_all(1, 999)
        self.assertEqual(len(self.find(OTHER_APP)), 1)
        self.assertEqual(len(self.find()), 4)

    def test_full_length_is_remembered(self) -> None:
        """A length that was full is not looked at again for a moment, and then it is."""
        self.take_all(1, 999)
        self.assertEqual(len(self.find()), 4)
        self.free("5")
        self.now += FULL_SECONDS / 2
        self.assertEqual(len(self.find()), 4)
        self.now += FULL_SECONDS
        self.assertEqual(self.find(), "5")

    def test_freed(self) -> None:
        """A nameplate that has gone is found at once."""
        self.take_all(1, 999)
        self.find()
        self.find(OTHER_APP)
        self.free("55")
        self.allocator.freed(OTHER_APP, "55")
        self.assertEqual(len(self.find()), 4)
        self.allocator.freed(APP, "55")
        self.assertEqual(self.find(), "55")

    def test_freed_of_nothing(self) -> None:
        """That a nameplate has gone of which nothing was remembered changes nothing."""
        self.allocator.freed(APP, "5")
        self.allocator.freed(APP, "1" * 40)
        self.assertEqual(len(self.find()), 1)

    def test_longest(self) -> None:
        """The longest nameplates there are are found, too."""
        self.patch(allocation, "_MAX_DIGITS", 4)
        self.take_all(1, 999)
        self.assertEqual(len(self.find()), 4)

    def test_none_is_free(self) -> None:
        """Where no length has one free the client is told so."""
        self.patch(allocation, "_MAX_DIGITS", 3)
        self.take_all(1, 999)
        refusal: Refusal = self.assertRaises(Refusal, self.find)
        self.assertIs(refusal.kind, ErrorKind.NO_NAMEPLATE_FREE)


class AllocationOnSqlite(OnSqlite, AllocationRules):
    """On SQLite."""


class AllocationOnPostgres(OnPostgres, AllocationRules):
    """On PostgreSQL."""
