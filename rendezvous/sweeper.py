"""
The sweeper: touches what is in use and removes what has expired, in small steps through the ledger.

Owns when that happens and in which order. A step that fails is left for the next sweep, and a row that
cannot be removed is skipped; either is logged once.

Nothing expires by a clock that may be wrong. After the clock has jumped ahead, or the machine has slept,
clients first have one interval to reconnect. If this machine's clock and the database's disagree, the other
instances may be right, and nothing expires on this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.keys import mailbox_key
from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.transaction import Transaction
from rendezvous.observer import RendezvousObserver
from rendezvous.protocol.moods import Retired
from rendezvous.rules import expiry
from rendezvous.rules.usage import Usage
from rendezvous.sharing.allowance import Shares
from rendezvous.subscriptions import Subscriptions
from wormhole_twisted.timer import RepeatingTimer

T = TypeVar("T")
ForgetUsage = Callable[[Transaction, float], bool]
"""Deletes some records from before a time of day; returns whether there may be more."""
GiveBack = Callable[[Transaction, bool], bool]
"""Gives some free space back to the disk, all of it if that is full; returns whether there may be more."""
DatabaseTime = Callable[[Transaction], float]
"""Returns the time of day by the database's clock."""

_log = Logger()

# Rows that are known to be bad, so that each is logged once; beyond this some may be logged again.
_MAX_KNOWN_BAD = 1000
_TOUCH_ROWS = 100
# NTP keeps clocks within milliseconds. Short lifetimes allow less; see `Lifetimes.tolerance_seconds`.
_CLOCKS_AGREE_SECONDS = 60.0
# The instance that holds this key sweeps; the others leave it to that one.
_KEY = "expiry"


class _SweptElsewhere(Exception):
    """Another instance is sweeping."""


class _ClocksDisagree(Exception):
    """This machine's clock and the database's differ too much."""


@attrs.frozen
class Lifetimes:
    """
    How long unused rows are kept, in seconds.

    :ivar usage_seconds: None keeps usage records for ever.
    :ivar interval_seconds: from one sweep to the next, at most.
    """

    nameplate_seconds: float
    mailbox_seconds: float
    usage_seconds: float | None
    interval_seconds: float

    @property
    def sweep_seconds(self) -> float:
        """Return how long it is from one sweep to the next, each of which touches what is in use."""
        return min(self.interval_seconds, self.tolerance_seconds)

    @property
    def tolerance_seconds(self) -> float:
        """
        Return how old a touch may be, and by how much a clock may be wrong.

        Two instances whose clocks are wrong in opposite directions add up to three of these.
        """
        return min(self.nameplate_seconds, self.mailbox_seconds) / 4


class Sweeper(RepeatingTimer):
    """
    Sweeps again and again. A service.

    The first sweep comes after one interval: clients that were connected before a restart have that long to
    reconnect.

    :param clock: runs the timer.
    :param day: returns the time of day, in seconds since the epoch; rows are dated by it.
    :param forget: deletes usage records of other parts of the program.
    :param database_time: None if the database's clock is this machine's.
    :param shares: has the accounts that are compared with the database, and the disk.
    :param give_back: None if there is nothing to give back.
    """

    def __init__(
        self,
        clock: IReactorTime,
        day: Callable[[], float],
        ledger: Ledger,
        subscriptions: Subscriptions,
        usage: Usage,
        lifetimes: Lifetimes,
        observer: RendezvousObserver,
        forget: Sequence[ForgetUsage],
        database_time: DatabaseTime | None,
        shares: Shares,
        give_back: GiveBack | None,
    ) -> None:
        super().__init__(clock, lifetimes.sweep_seconds, self._start_sweep, observer.internal_error)
        self._day = day
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._usage = usage
        self._lifetimes = lifetimes
        self._observer = observer
        self._forget = forget
        self._database_time = database_time
        self._shares = shares
        self._give_back = give_back
        self._bad: set[tuple[str, int]] = set()
        self._failure_logged = False
        # The database or this machine was, so that nothing could be touched.
        self._was_unavailable = False
        # The time of day at which the next sweep is due.
        self._due = 0.0

    def startService(self) -> None:
        """See `RepeatingTimer.startService`."""
        super().startService()
        self._set_due()

    def change(self, lifetimes: Lifetimes, usage: Usage) -> None:
        """Use other lifetimes. What has expired by them goes with the next sweep."""
        again = lifetimes.sweep_seconds != self._lifetimes.sweep_seconds
        self._lifetimes = lifetimes
        self._usage = usage
        if again:
            self._set_due()
            self.change_interval(lifetimes.sweep_seconds)

    def _set_due(self) -> None:
        self._due = self._day() + self._lifetimes.sweep_seconds

    def _start_sweep(self) -> Deferred[None]:
        # By the time of day, which the timer does not follow.
        self._was_unavailable |= self._day() - self._due > self._lifetimes.sweep_seconds
        return Deferred.fromCoroutine(self._sweep())

    async def _sweep(self) -> None:
        try:
            await self._run_steps()
        finally:
            self._set_due()

    async def _run_steps(self) -> None:
        steps = (
            self._touch,
            self._compare_accounts,
            self._compare_clocks,
            self._expire_nameplates,
            self._expire_mailboxes,
            self._empty_discarded,
            self._forget_usage,
            self._give_space_back,
        )
        for step in (self._touch, self._become_available) if self._was_unavailable else steps:
            try:
                await step()
            except (CancelledError, _SweptElsewhere):
                return
            except Exception as error:  # a step may raise anything; the next sweep tries again
                self._observer.expiry_failed()
                self._was_unavailable |= isinstance(error, LedgerUnavailable)
                if not self._failure_logged:
                    self._failure_logged = True
                    _log_failed_step(error)
                return
        self._failure_logged = False

    async def _touch(self) -> None:
        present = sorted(self._subscriptions.present())
        for start in range(0, len(present), _TOUCH_ROWS):
            some = present[start : start + _TOUCH_ROWS]
            now = self._day()
            await self._ledger.submit(
                partial(expiry.touch_mailboxes, addresses=some, now=now),
                keys=[mailbox_key(*address) for address in some],
            )

    async def _compare_clocks(self) -> None:
        if self._database_time is None:
            return
        ahead = self._day() - await self._submit(self._database_time)
        if abs(ahead) > min(_CLOCKS_AGREE_SECONDS, self._lifetimes.tolerance_seconds):
            raise _ClocksDisagree(
                f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} "
                "the database's; synchronize both by NTP"
            )

    async def _become_available(self) -> None:
        """After an outage every instance first has to touch again what its clients use."""
        await self._submit(lambda _: None)
        self._was_unavailable = False

    async def _expire_nameplates(self) -> None:
        now = self._day()
        cutoff = now - self._lifetimes.nameplate_seconds
        expire = partial(
            expiry.expire_nameplate,
            cutoff=cutoff,
            is_present=self._subscriptions.is_present,
            usage=self._usage,
            now=now,
        )
        find = partial(expiry.stale_nameplates, cutoff=cutoff)
        await self._expire("nameplate", find, expire)

    async def _expire_mailboxes(self) -> None:
        now = self._day()
        cutoff = now - self._lifetimes.mailbox_seconds
        expire = partial(
            expiry.expire_mailbox,
            cutoff=cutoff,
            is_present=self._subscriptions.is_present,
            usage=self._usage,
            now=now,
        )
        find = partial(expiry.stale_mailboxes, cutoff=cutoff)
        await self._expire("mailbox", find, expire)

    async def _expire(
        self,
        kind: str,
        find: Callable[..., list[expiry.Stale]],
        expire: Callable[..., Retired],
    ) -> None:
        place = expiry.SweepPosition()
        while True:
            stale = await self._submit(partial(find, place=place))
            for retired in await self._expire_rows(kind, stale, expire):
                self._observer.retired(retired)
            if len(stale) < expiry.STEP_ROWS:
                return
            place = expiry.SweepPosition(stale[-1].used, stale[-1].id)

    async def _expire_rows(
        self, kind: str, stale: Sequence[expiry.Stale], expire: Callable[..., Retired]
    ) -> list[Retired]:
        """Expire all in one transaction; if that fails, one by one, skipping those that cannot go."""
        rows = [row.id for row in stale if (kind, row.id) not in self._bad]
        if not rows:
            return []
        try:
            return await self._submit(lambda tx: [expire(tx, row_id=row_id) for row_id in rows])
        except (CancelledError, LedgerUnavailable, _SweptElsewhere):
            raise
        except Exception:  # one of the rows is bad; the next lines find out which
            _log.debug("A step of expiry failed; its rows are tried one by one")
        outcomes = []
        for row_id in rows:
            try:
                outcomes.append(await self._submit(partial(expire, row_id=row_id)))
            except (CancelledError, LedgerUnavailable, _SweptElsewhere):
                raise
            except Exception:  # a bad row must not keep the others from expiring
                if len(self._bad) >= _MAX_KNOWN_BAD:
                    self._bad.clear()
                self._bad.add((kind, row_id))
                self._observer.expiry_failed()
                _log.failure("A {kind} cannot be removed and is skipped from now on", kind=kind)
        return outcomes

    async def _empty_discarded(self) -> None:
        while await self._submit(expiry.empty_discarded):
            pass

    async def _forget_usage(self) -> None:
        if self._lifetimes.usage_seconds is None:
            return
        cutoff = self._day() - self._lifetimes.usage_seconds
        for forget in (expiry.forget_usage, *self._forget):
            while await self._submit(lambda tx, forget=forget: forget(tx, cutoff)):  # type: ignore[misc]
                pass

    async def _give_space_back(self) -> None:
        if self._give_back is not None:
            give_back = self._give_back
            needed = not self._shares.disk.has_room(self._clock.seconds())
            while await self._submit(lambda tx: give_back(tx, needed)):
                pass

    async def _compare_accounts(self) -> None:
        """Whatever was removed, here or on another instance, nobody has stored any more."""
        accounts = self._shares.accounts
        for app, mailboxes in accounts.mailboxes(expiry.STEP_ROWS):
            found = await self._ledger.submit(
                partial(expiry.find_mailboxes, app=app, mailboxes=mailboxes)
            )
            accounts.compare(app, mailboxes, found)

    async def _submit(self, operation: Callable[[Transaction], T]) -> T:
        outcome = await self._ledger.submit(partial(_run_alone, operation=operation))
        if outcome is None:
            raise _SweptElsewhere
        return outcome[0]


def _log_failed_step(error: Exception) -> None:
    if isinstance(error, LedgerUnavailable):
        _log.error("Nothing expires while the database is unavailable")
    elif isinstance(error, _ClocksDisagree):
        _log.error("Nothing expires here: {why}", why=error)
    else:
        _log.failure("A step of expiry failed, and is tried again in the next sweep")


def _run_alone(tx: Transaction, *, operation: Callable[[Transaction], T]) -> tuple[T] | None:
    return (operation(tx),) if tx.try_lock(_KEY) else None
