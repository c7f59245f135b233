"""
Which nameplate a client gets when it has no wish: a random one of the shortest length that has one free.

Owns the search. Its cost does not grow with the number of nameplates in use: up to three digits it looks
at all there are, at most 999; beyond that it tries random ones, and only where nearly all of a length are
in use does it count and walk. That a length is full is remembered for a moment; a wrong memory costs a
digit, never a nameplate.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from rendezvous import schema
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.statements import Transaction, prepare

# Where lengths are looked at in full.
_EXACT_DIGITS = 3
# More than twelve digits nobody types; so many nameplates no database holds.
_MAX_DIGITS = 12
# With nine in ten in use, one of these is still free 99.9 times in 100.
_TRIES = 64
_WALK_ROWS = 1000
FULL_SECONDS = 10.0

_P = sa.bindparam
_N = schema.nameplates
_of_length = (_N.c.app == _P("the_app"), _N.c.digits == _P("the_digits"))
_from = _N.c.name >= _P("the_first")
_SHORT = prepare(
    sa.select(_N.c.name).where(_N.c.app == _P("the_app"), _N.c.digits <= _EXACT_DIGITS)
)
_TAKEN = prepare(
    sa.select(_N.c.name).where(*_of_length, _N.c.name.in_([_P(f"try_{i}") for i in range(_TRIES)]))
)
_COUNT = prepare(sa.select(sa.func.count()).select_from(_N).where(*_of_length, _from))
_WALK = prepare(
    sa.select(_N.c.name).where(*_of_length, _from).order_by(_N.c.name).limit(_WALK_ROWS)
)


class Allocator:
    """
    Finds free nameplates.

    :param below: a random whole number below its argument.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below
        self._full: dict[tuple[str, int], float] = {}

    def find(self, tx: Transaction, app: str, now: float) -> str:
        """
        A nameplate of `app` that is free as this transaction sees it.

        :raises Refusal: none is free.
        """
        if not self._known_full(app, _EXACT_DIGITS, now):
            short = self._short(tx, app)
            if short is not None:
                return short
            self._full[app, _EXACT_DIGITS] = now + FULL_SECONDS
        for digits in range(_EXACT_DIGITS + 1, _MAX_DIGITS + 1):
            if self._known_full(app, digits, now):
                continue
            name = self._try_some(tx, app, digits) or self._walk(tx, app, digits)
            if name is not None:
                return name
            self._full[app, digits] = now + FULL_SECONDS
        raise Refusal(ErrorKind.NO_NAMEPLATE_FREE)

    def freed(self, app: str, name: str) -> None:
        """A nameplate has gone: its length is not full any more."""
        self._full.pop((app, max(len(name), _EXACT_DIGITS)), None)

    def _known_full(self, app: str, digits: int, now: float) -> bool:
        until = self._full.get((app, digits))
        if until is None:
            return False
        if now < until:
            return True
        # Where operations run in worker threads, `freed` may be forgetting it at the same time.
        self._full.pop((app, digits), None)
        return False

    def _short(self, tx: Transaction, app: str) -> str | None:
        taken = {name for (name,) in tx.all(_SHORT, the_app=app)}
        for digits in range(1, _EXACT_DIGITS + 1):
            first = 10 ** (digits - 1)
            free = [name for n in range(first, 10 * first) if (name := str(n)) not in taken]
            if free:
                return free[self._below(len(free))]
        return None

    def _try_some(self, tx: Transaction, app: str, digits: int) -> str | None:
        first = 10 ** (digits - 1)
        tries = [str(first + self._below(9 * first)) for _ in range(_TRIES)]
        values = {f"try_{i}": name for i, name in enumerate(tries)}
        taken = {name for (name,) in tx.all(_TAKEN, the_app=app, the_digits=digits, **values)}
        return next((name for name in tries if name not in taken), None)

    def _walk(self, tx: Transaction, app: str, digits: int) -> str | None:
        """The first gap from a random place on, or None where there is none."""
        first = 10 ** (digits - 1)
        # Names with leading zeros can be claimed, but are never given away.
        counted = tx.one(_COUNT, the_app=app, the_digits=digits, the_first=str(first))
        if counted is None or counted[0] >= 9 * first:
            return None
        start = first + self._below(9 * first)
        return self._gap(tx, app, digits, start) or self._gap(tx, app, digits, first)

    def _gap(self, tx: Transaction, app: str, digits: int, start: int) -> str | None:
        expected = start
        # Compared as text, a number of one digit more would stand before all that are left.
        while expected < 10**digits:
            rows = tx.all(_WALK, the_app=app, the_digits=digits, the_first=str(expected))
            for (name,) in rows:
                if int(name) != expected:
                    return str(expected)
                expected += 1
            if len(rows) < _WALK_ROWS and expected < 10**digits:
                return str(expected)
        return None
