"""
The scheduler: shares the reactor's time out among addresses, and among the connections of each. No I/O.

Owns who is served when. What a client sends becomes a task's work. Work that is within what its address may
take of a turn of the reactor is done at once. The rest waits in line and is done in slices: each turn has one
short slice for all that wait, so that whoever does not wait is delayed by a slice and no more. In line, the
address that was served longest ago is first, with a head start for those that were served little lately, so
that one with little to do never waits for those with much; of its connections, the least served one.
Connections that flood are behind all others, the least served address first. An address that nobody else has
been active beside for a second is not limited, but ordered all the same.

How much an address was served is its score: units of work, which halve in ten seconds. A score is kept as a
rank, which does not change while the score decays: its logarithm plus the time in half-lives.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import islice
from math import inf, log2
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from wormhole_limits.bounds import Bound, BoundObserver, contained_bounds

_log = Logger()

_UNIT_SECONDS: Final = 0.000002
"""A unit of work is about so much of the reactor's time, and the least that anything costs."""
HANDSHAKE_UNITS: Final = 128
REQUEST_UNITS: Final = 64
TRANSACTION_UNITS: Final = 32
"""The statements of one command, and its answer."""

SLICE_SECONDS: Final = 0.0005
"""Of each turn of the reactor, for all that wait: an answer takes two or three turns."""
_REST_RATIO: Final = 2.0
_FLOOD_SLICE_SECONDS: Final = 0.0002
_FLOOD_REST_RATIO: Final = 25.0
"""While a client's command is being committed, a slice is followed by a rest so many times as long, in which
the thread that commits gets the interpreter: by a longer one for those that flood."""
_MOST_PATIENCE: Final = 8.0
"""Each slice doubles the rests until something is committed, to so many times as long at most: where a commit
takes 50 ms, slices would take longer than everything else that the client waits for."""
_MOST_MEASURED: Final = 2048
"""Units that a piece of work costs by the clock, at most: it goes on while the process does not run."""
_READ_SECONDS: Final = 0.00003
"""What it costs to read from a connection again; the slice that lets it read pays for it."""
PIECE_UNITS: Final = 64
"""What is done of a task's work before another one may be first: seven messages, or an HTTP request."""

# What is done at once in a turn. Two commands of a client arrive together, seldom more.
_ADDRESS_UNITS: Final = 256
_TURN_UNITS: Final = 512
_BUSY_TURN_UNITS: Final = 256
"""From here on only addresses that were served little lately are served at once."""
_OPENING_UNITS: Final = 256
"""Of what opens connections, and of requests of HTTP: two."""
_ALONE_UNITS: Final = 8192
_ALONE_TURN_SECONDS: Final = 0.016
"""For an address that is alone: what 100 connections ask in a turn at most. The first byte of another address
waits as long; and some commands cost much more than their units, such as those that are refused."""

_ALONE_SECONDS: Final = 1.0
_FLOOD_UNITS: Final = 512
"""A connection that has sent more than this at once floods: 50 commands; clients send two or three."""
_FLOOD_SECONDS: Final = 1.0
_HEAVY: Final = 4.0
_LIGHT: Final = 15.0
"""An address that was served 16 times as much as one that waits for its commit waits like those that flood;
both as powers of two. The score of the latter counts as 32,768 at least, so that nobody is heavy below a
fourteenth of the processor's time."""
_BUSY: Final = 12.0
"""The score of an address that was served much, as a power of two: 100 commands in ten seconds."""
_DOUBLING: Final = 2000
"""
In line, twice the score counts like so many entries that came earlier: a second or so, where hundreds of
addresses wait. All that were served much are equal, so that none of them waits for long.
"""
_SLOW_SECONDS: Final = 0.1
"""A wait that is worth a report."""
_HALF_LIFE_SECONDS: Final = 10.0
_FORGET_EACH: Final = 2
"""Accounts that are looked at for each new one, so that they become fewer than they were active lately."""

NOBODY: Final = -1
"""The key of work that is done before it is known for whom: nobody is disturbed by it."""

Serve = Callable[[int], bool]
"""Does work of about so many units, which it spends; returns whether some is left. It does not raise."""


class _Kind(enum.IntEnum):
    """What waits in a line of its own."""

    COMMAND = 0  # open connections
    OPENING = 1  # what opens connections, and requests of HTTP
    UNKNOWN = 2  # what is done before it is known for whom: connections that wait to be accepted
    # connections that flood, and addresses that were served much more than one that waits
    FLOOD = 3


# By turns, so that none of commands, connections and those that wait to be accepted keeps the others from
# being served.
_ORDERS: Final = (
    (_Kind.COMMAND, _Kind.OPENING, _Kind.UNKNOWN, _Kind.FLOOD),
    (_Kind.OPENING, _Kind.UNKNOWN, _Kind.COMMAND, _Kind.FLOOD),
    (_Kind.UNKNOWN, _Kind.COMMAND, _Kind.OPENING, _Kind.FLOOD),
)


class Account:
    """
    What one address has been served.

    :ivar rank: grows with the score; compares with the ranks of other accounts, whenever they were set.
    """

    __slots__ = ("key", "lines", "rank", "served", "spent", "tasks", "turn")

    def __init__(self, key: int) -> None:
        self.key = key
        self.rank = -inf
        # The number of the latest piece of work that was done for it.
        self.served = 0
        self.tasks = 0
        self.lines = tuple(_Line(self, kind) for kind in _Kind)
        # Units that were spent in the turn of this number.
        self.turn = 0
        self.spent = 0


class _Line:
    """
    The tasks of one account and kind that wait.

    :ivar tasks: least served first; `lost` of them are forgotten, and are skipped.
    :ivar number: of its valid entry in the line of accounts; 0: it has none.
    """

    __slots__ = ("account", "kind", "lost", "number", "tasks")

    def __init__(self, account: Account, kind: _Kind) -> None:
        self.account = account
        self.kind = kind
        self.tasks: list[tuple[float, int, Task]] = []
        self.lost = 0
        self.number = 0

    def forget_one(self) -> None:
        """One of the tasks waits no longer."""
        self.lost += 1
        if self.lost * 2 > len(self.tasks):
            self.lost = 0
            self.tasks = sorted(entry for entry in self.tasks if entry[-1].waiting)

    def first_is_there(self) -> bool:
        """Skip what is forgotten; return whether a task is left."""
        while self.tasks and not self.tasks[0][-1].waiting:
            heappop(self.tasks)
            self.lost -= 1
        return bool(self.tasks)


class Task:
    """
    What one connection has the server do.

    :ivar account: of its address.
    :ivar rank: like that of its account, for this connection.
    :ivar waiting: whether it waits in line.
    :ivar stalled: set by its owner, while something is left to do that it cannot go on with.
    :ivar uncounted: units that its owner adds while it is served; the next `spend` counts them.
    """

    __slots__ = (
        "account",
        "backlog",
        "flooding_until",
        "line",
        "opening",
        "rank",
        "reported",
        "serve",
        "since",
        "stalled",
        "uncounted",
        "waiting",
    )

    def __init__(self, account: Account, serve: Serve, *, opening: bool) -> None:
        self.account = account
        self.serve = serve
        self.opening = opening
        self.rank = -inf
        self.waiting = False
        self.stalled = False
        self.uncounted = 0
        self.line: _Line | None = None
        # Units that were done since it had nothing to do.
        self.backlog = 0
        self.flooding_until = -inf
        self.since = 0.0
        self.reported = False


class Scheduler:
    """
    The only one of the process.

    :param clock: measures slices and runs turns.
    :param observer: is told of those that wait.
    """

    def __init__(self, clock: IReactorTime, observer: BoundObserver) -> None:
        self.clock = clock
        self._observer = contained_bounds(observer)
        self._accounts: dict[int, Account] = {}
        self._lines: tuple[list[tuple[float, int, _Line]], ...] = tuple([] for _ in _Kind)
        self._order = 0
        self._numbers = 0
        self._transactions: list[Callable[[], None]] = []
        self._flushes: list[Callable[[], None]] = []
        # Tasks of an address that is alone, for which the turn had no time.
        self._late: list[Task] = []
        self._scheduled = False
        self._rest: IDelayedCall | None = None
        # No slices before these times, for those that do not flood and those that do.
        self._rested = self._flood_rested = 0.0
        self._patience = 1.0
        self._urgent = 0
        self._urgent_rank = 0.0
        self._turn = 0
        self._spent = 0
        self._opened = 0
        self._done = 0  # units, in all turns
        self._now = clock.seconds()
        self._half_lives = 0.0
        self._latest: Account | None = None
        self._changed = -inf

    # Turns.

    def next_transaction(self, call: Callable[[], None]) -> None:
        """Run a call in the next turn of the reactor, before the work of those that wait."""
        self._transactions.append(call)
        self._begin_turn()

    def next_flush(self, call: Callable[[], None]) -> None:
        """The same, before and after transactions: what has been answered leaves at once."""
        self._flushes.append(call)
        self._begin_turn()

    def begin_commit(self, task: Task) -> bool:
        """
        A command waits for its commit.

        :return: whether others have to rest meanwhile, until `end_commit`.
        """
        if self._floods(task):
            return False
        rank = max(task.account.rank, self._half_lives + _LIGHT)
        if not self._urgent or rank < self._urgent_rank:
            self._urgent_rank = rank
        self._urgent += 1
        return True

    def end_commit(self) -> None:
        """The command has been committed."""
        self._urgent -= 1
        self._patience = 1.0

    # Tasks.

    def new_task(self, key: int, serve: Serve, *, opening: bool = False) -> Task:
        """
        Make the task of a connection; `forget` ends it.

        :param key: of its address; see `ip_addresses.block_of`.
        :param opening: whether it opens the connection, or is a request of HTTP: those wait behind the
            commands of connections that are open.
        """
        account = self._accounts.get(key)
        if account is None:
            self._forget_decayed()
            account = self._accounts[key] = Account(key)
        account.tasks += 1
        return Task(account, serve, opening=opening)

    def forget(self, task: Task) -> None:
        """
        The connection is gone, or needs no more work; asked again, do nothing.

        What its address was served is remembered.
        """
        if task.serve is _no_work:
            return
        if task.uncounted:
            self.spend(task, 0)
        task.account.tasks -= 1
        task.serve = _no_work  # its connection need not wait for a collection of cycles
        if task.waiting:
            task.waiting = False
            if task.line is not None:
                task.line.forget_one()

    def arrived(self, task: Task) -> None:
        """There is something to do: do it now, or put the task in line if its address has had its part."""
        if not self._scheduled:
            self._begin_turn()
        if task.waiting or (self._may_serve(task) and not self._serve(task)):
            return
        task.since = self._now
        if self.is_alone(task.account) and not self._floods(task) and not self._has_time_alone():
            task.waiting, task.line = True, None
            self._late.append(task)
        else:
            self._wait(task)

    def postpone(self, task: Task) -> None:
        """Put a task in line, like those that flood: it has more to do than clients have at once."""
        self._begin_turn()
        if not task.waiting:
            self._note(task.account)
            task.since = self._now
            self.flooded(task)
            self._wait(task)

    def flooded(self, task: Task) -> None:
        """For a while a task waits like those that have too much to do at once."""
        task.flooding_until = self._now + _FLOOD_SECONDS

    def spend(self, task: Task, units: int) -> None:
        """Count work that was done for a task, with what is uncounted: one unit at least."""
        account, half_lives = task.account, self._half_lives
        units += task.uncounted
        task.uncounted = 0
        # As `_raised`, without the cost of two calls.
        account.rank = half_lives + log2(2.0 ** (account.rank - half_lives) + units)
        task.rank = half_lives + log2(2.0 ** (task.rank - half_lives) + units)
        task.backlog += units
        self._done += units
        if account.turn != self._turn:
            account.turn, account.spent = self._turn, units
        else:
            account.spent += units
        if task.opening:
            self._opened += units
        else:
            self._spent += units

    def measure(self, task: Task, call: Callable[[], None]) -> None:
        """Make a call for a task, and count the time that it takes beyond the work that it counts itself."""
        began, before = self.clock.seconds(), self._done
        try:
            call()
        finally:
            units = _measured_units(self.clock.seconds() - began) - (self._done - before)
            self.spend(task, max(1, units))

    def is_alone(self, account: Account) -> bool:
        """Whether no other address has been active for a second."""
        return account is self._latest and not self.crowded

    @property
    def crowded(self) -> bool:
        """Whether more than one address was active within the last second."""
        return self._now - self._changed < _ALONE_SECONDS

    @property
    def busy_rank(self) -> float:
        """The rank above which an address was served much lately, beside others."""
        return self._half_lives + _BUSY

    @property
    def remembered(self) -> int:
        """How many addresses have an account."""
        return len(self._accounts)

    def is_limited(self, task: Task) -> bool:
        """Whether a connection has to wait for one answer before its next command is read."""
        return task.flooding_until > self._now and not self.is_alone(task.account)

    # The parts.

    def _begin_turn(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._reset_turn()
            self.clock.callLater(0, self._run)

    def _reset_turn(self) -> None:
        self._turn += 1
        self._spent = 0
        self._opened = 0
        self._now = self.clock.seconds()
        self._half_lives = self._now / _HALF_LIFE_SECONDS

    def _run(self) -> None:
        self._reset_turn()
        self._call(self._flushes)
        self._call(self._transactions)
        self._call(self._flushes)
        self._serve_late()
        if any(self._lines):
            self._serve_waiting()
            self._reset_turn()  # what was done in the slice takes nothing from what is done at once
        self._scheduled = bool(self._transactions or self._flushes or self._late)
        if any(self._lines) and not self._scheduled:
            self._wait_for_slice()
        if self._scheduled:
            self.clock.callLater(0, self._run)

    def _call(self, calls: list[Callable[[], None]]) -> None:
        """Call all that are in a list by now; what one raises keeps nothing from the others."""
        if calls:
            due = calls[:]
            calls.clear()
            for call in due:
                try:
                    call()
                except Exception:
                    _log.failure("A call of the scheduler raised an exception")

    def _serve_late(self) -> None:
        late, self._late = self._late, []
        for task in late:
            if task.waiting:
                task.waiting = False
                self.arrived(task)

    def _wait_for_slice(self) -> None:
        """Have the next slice in the next turn, or after a rest."""
        rest = rested = 0.0
        if self._rests:
            *others, _floods = self._lines
            rested = self._rested if any(others) else self._flood_rested
            rest = rested - self.clock.seconds()
        if rest <= 0:
            self._scheduled = True
        elif self._rest is None:
            self._rest = self.clock.callLater(rest, self._rest_over)
        elif rested < self._rest.getTime():
            self._rest.reset(rest)  # it is for those that flood, and others have come

    def _rest_over(self) -> None:
        self._rest = None
        self._begin_turn()

    def _may_serve(self, task: Task) -> bool:
        account = task.account
        if account is not self._latest:
            self._note(account)
        elif not account.lines[task.opening].tasks and self._now - self._changed >= _ALONE_SECONDS:
            # The short way for an address that is alone.
            return not self._floods(task) and self._has_time_alone()
        kind = self._kind(task)
        if kind is _Kind.FLOOD or account.lines[kind].tasks:
            return False
        if self.is_alone(account):
            return self._has_time_alone()
        if account.turn == self._turn and account.spent >= _ADDRESS_UNITS:
            return False
        if task.opening:
            return self._opened < _OPENING_UNITS and not self._rests
        return self._spent < (_BUSY_TURN_UNITS if account.rank > self.busy_rank else _TURN_UNITS)

    def _has_time_alone(self) -> bool:
        passed = self.clock.seconds() - self._now
        return self._spent + self._opened < _ALONE_UNITS and passed < _ALONE_TURN_SECONDS

    @property
    def _rests(self) -> bool:
        """Whether slices have to wait for rests."""
        return self._urgent > 0 and self.crowded

    def _note(self, account: Account) -> None:
        """An address is active: no other one has been alone since."""
        if account is not self._latest and account.key != NOBODY:
            if self._latest is not None:
                self._changed = self._now
            self._latest = account

    def _serve(self, task: Task) -> bool:
        """Do a piece of a task's work; return whether some is left."""
        self._numbers += 1
        task.account.served = self._numbers
        try:
            more = task.serve(PIECE_UNITS)
        except Exception:
            _log.failure("Work for a connection raised an exception")
            more = False
        if not more and not task.stalled:
            task.backlog = 0
            task.reported = False
        elif task.backlog > _FLOOD_UNITS:
            self.flooded(task)
        return more

    # The line.

    def _wait(self, task: Task) -> None:
        """Put a task in line."""
        self._numbers += 1
        task.waiting = True
        task.line = line = task.account.lines[self._kind(task)]
        heappush(line.tasks, (task.rank, self._numbers, task))
        if not line.number:
            self._enter(line)

    def _enter(self, line: _Line) -> None:
        self._numbers += 1
        line.number = self._numbers
        heappush(self._lines[line.kind], (self._place(line), line.number, line))

    def _place(self, line: _Line) -> float:
        """What orders a line among those of its kind."""
        account = line.account
        if line.kind is _Kind.FLOOD:
            return account.rank
        return account.served + _DOUBLING * min(max(0.0, account.rank - self._half_lives), _BUSY)

    def _kind(self, task: Task) -> _Kind:
        """Where a task waits."""
        if task.account.key == NOBODY:
            return _Kind.UNKNOWN
        heavy = self._rests and task.account.rank > self._urgent_rank + _HEAVY
        if heavy or self._floods(task):
            return _Kind.FLOOD
        return _Kind.OPENING if task.opening else _Kind.COMMAND

    def _floods(self, task: Task) -> bool:
        return task.flooding_until > self._now

    def _next(self, *, flood: bool) -> tuple[_Line, Task] | None:
        """
        Take the first task of the first account out of line.

        :param flood: whether it may be one that floods.
        """
        self._order = (self._order + 1) % len(_ORDERS)
        for kind in _ORDERS[self._order]:
            lines = self._lines[kind]
            while lines and (flood or kind is not _Kind.FLOOD):
                place, _, line = heappop(lines)
                line.number = 0
                if not line.first_is_there():
                    continue
                if self._place(line) > place:
                    self._enter(line)  # it was served since, at once
                    continue
                task = heappop(line.tasks)[-1]
                task.waiting = False
                return line, task
        return None

    def _serve_waiting(self) -> None:
        began = now = self.clock.seconds()
        rests = self._rests
        end = now + SLICE_SECONDS
        if rests and now < self._rested:
            return
        flood = not rests or now >= self._flood_rested
        while now < end and (first := self._next(flood=flood)) is not None:
            line, task = first
            account, spent = task.account, self._spent + self._opened
            self._note(account)
            if rests and line.kind is _Kind.FLOOD:
                end = min(end, now + _FLOOD_SLICE_SECONDS)
            if self._serve(task):
                self._wait(task)
                self._report_once(task)
            else:
                end -= _READ_SECONDS
            if line.tasks and not line.number:
                self._enter(line)
            before, now = now, self.clock.seconds()
            units = self._spent + self._opened - spent
            more = _measured_units(now - before) - units
            # A slice is spent by time, or by units that will be worked off when the reactor reads.
            end -= max(0.0, units * _UNIT_SECONDS - (now - before))
            if more > 0:  # some work costs more than its units say
                account.rank = _raised(account.rank, more, self._half_lives)
                task.rank = _raised(task.rank, more, self._half_lives)
        if now > began:
            rest = min(now - began, _MOST_MEASURED * _UNIT_SECONDS) * self._patience
            self._rested = now + rest * _REST_RATIO
            if flood:
                self._flood_rested = now + rest * _FLOOD_REST_RATIO
            if rests:
                self._patience = min(2 * self._patience, _MOST_PATIENCE)

    def _report_once(self, task: Task) -> None:
        waits = self._floods(task) or self._now - task.since > _SLOW_SECONDS
        if waits and not task.reported and not self.is_alone(task.account):
            task.reported = True
            self._observer.bound_met(Bound.WORK, task.account.key)

    def _forget_decayed(self) -> None:
        """Forget accounts whose score has decayed; look at the oldest ones only."""
        half_lives = self.clock.seconds() / _HALF_LIFE_SECONDS
        for key in list(islice(self._accounts, _FORGET_EACH)):
            account = self._accounts.pop(key)
            if account.tasks or account.rank > half_lives:
                self._accounts[key] = account


def _raised(rank: float, units: int, half_lives: float) -> float:
    """Return the rank for a score to which units, at least one, are added."""
    return half_lives + log2(2.0 ** (rank - half_lives) + units)


def _measured_units(seconds: float) -> int:
    """Return the units of a piece of work that has taken so long by the clock."""
    return min(int(seconds / _UNIT_SECONDS), _MOST_MEASURED)


def _no_work(_units: int) -> bool:
    return False
