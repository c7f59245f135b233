"""
The search for a free nameplate: a random one of the shortest length that has one free.

Its cost does not grow with the number of nameplates in use. Up to three digits it reads all that are in use,
at most 999. Beyond that it tries random ones; only if nearly all of a length are in use does it count them
and search for a gap. It remembers for some seconds that a length is full; if that has become wrong, a client
gets a nameplate with one more digit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import sqlalchemy as sa

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.statements import prepare_value
from rendezvous.ledger.transaction import Transaction
from rendezvous.rules import schema

# Up to so many digits all nameplates in use are read.
_EXACT_DIGITS = 3
_SHORT_NAMES = [
    [str(number) for number in range(10**digits // 10, 10**digits)]
    for digits in range(1, _EXACT_DIGITS + 1)
]
# Nobody types more digits, and no database holds so many nameplates.
_MAX_DIGITS = 12
# With nine in ten in use, one of these is free 99.9 times in 100.
_TRIES = 64
_WALK_ROWS = 1000
FULL_SECONDS = 10.0

_P = sa.bindparam
_N = schema.nameplates
_of_length = (_N.c.app == _P("the_app"), _N.c.digits == _P("the_digits"))
_from = _N.c.name >= _P("the_first")
_SHORT = prepare_value(
    sa.select(_N.c.name).where(_N.c.app == _P("the_app"), _N.c.digits <= _EXACT_DIGITS), str
)
_TAKEN = prepare_value(
    sa.select(_N.c.name).where(*_of_length, _N.c.name.in_([_P(f"try_{i}") for i in range(_TRIES)])),
    str,
)
_COUNT = prepare_value(sa.select(sa.func.count()).select_from(_N).where(*_of_length, _from), int)
_WALK = prepare_value(
    sa.select(_N.c.name).where(*_of_length, _from).order_by(_N.c.name).limit(_WALK_ROWS), str
)


class Allocator:
    """
    Finds free nameplates.

    :param below: returns a random whole number from 0 to below its argument.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below
        self._full: dict[tuple[str, int], float] = {}

    def find(self, tx: Transaction, app: str, now: float, passed_over: Collection[str] = ()) -> str:
        """
        Find a nameplate of `app` that is free as this transaction sees it.

        :param now: seconds, for how long a full length is remembered.
        :param passed_over: nameplates that look free, but that another transaction is taking.
        :raises Refusal: NO_NAMEPLATE_FREE.
        """
        if not self._known_full(app, _EXACT_DIGITS, now):
            short = self._short(tx, app, passed_over)
            if short is not None:
                return short
            if not passed_over:
                self._full[app, _EXACT_DIGITS] = now + FULL_SECONDS
        for digits in range(_EXACT_DIGITS + 1, _MAX_DIGITS + 1):
            if self._known_full(app, digits, now):
                continue
            name = self._try_some(tx, app, digits, passed_over) or self._walk(
                tx, app, digits, passed_over
            )
            if name is not None:
                return name
            if not passed_over:
                self._full[app, digits] = now + FULL_SECONDS
        raise Refusal(ErrorKind.NO_NAMEPLATE_FREE)

    def freed(self, app: str, name: str) -> None:
        """Note that a nameplate was removed: its length is no longer full."""
        self._full.pop((app, max(len(name), _EXACT_DIGITS)), None)

    def _known_full(self, app: str, digits: int, now: float) -> bool:
        until = self._full.get((app, digits))
        return until is not None and now < until

    def _short(self, tx: Transaction, app: str, passed_over: Collection[str]) -> str | None:
        taken = {*tx.all(_SHORT, the_app=app), *passed_over}
        for names in _SHORT_NAMES:
            free = [name for name in names if name not in taken]
            if free:
                return free[self._below(len(free))]
        return None

    def _try_some(
        self, tx: Transaction, app: str, digits: int, passed_over: Collection[str]
    ) -> str | None:
        first = 10 ** (digits - 1)
        tries = [str(first + self._below(9 * first)) for _ in range(_TRIES)]
        values = {f"try_{i}": name for i, name in enumerate(tries)}
        taken = {*tx.all(_TAKEN, the_app=app, the_digits=digits, **values), *passed_over}
        return next((name for name in tries if name not in taken), None)

    def _walk(
        self, tx: Transaction, app: str, digits: int, passed_over: Collection[str]
    ) -> str | None:
        """Find the first gap behind a random nameplate of that length."""
        first = 10 ** (digits - 1)
        # Nameplates with leading zeros can be claimed, but are never allocated.
        counted = tx.one(_COUNT, the_app=app, the_digits=digits, the_first=str(first))
        if counted is None or counted >= 9 * first:
            return None
        start = first + self._below(9 * first)
        return self._gap(tx, app, digits, start, passed_over) or self._gap(
            tx, app, digits, first, passed_over
        )

    def _gap(
        self, tx: Transaction, app: str, digits: int, start: int, passed_over: Collection[str]
    ) -> str | None:
        end = 10**digits
        # As text, a number with one more digit would sort before the rest.
        while start < end:
            names = tx.all(_WALK, the_app=app, the_digits=digits, the_first=str(start))
            taken = {*names, *passed_over}
            read_to = int(names[-1]) + 1 if len(names) == _WALK_ROWS else end
            for number in range(start, read_to):
                if str(number) not in taken:
                    return str(number)
            start = read_to
        return None
