"""
The timer of expiry: touches what is in use, removes what is not, in small steps through the ledger.

Owns when and in which order, and that nothing stops it: a step that fails is left for the next turn, a
row that cannot be removed is passed over, and either is logged once.

Nothing expires by a clock that is not to be trusted. Where it has jumped ahead since the last turn, or the
machine has slept, clients get a turn's time to come back first. Where the database has a clock of its own,
and the two disagree, other instances may well be right: nothing expires here until they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from rendezvous import expiry
from rendezvous.errors import LedgerUnavailable
from rendezvous.keys import mailbox_key
from rendezvous.ledger import Ledger
from rendezvous.observer import Observer
from rendezvous.requests import Closed, Released
from rendezvous.statements import Transaction
from rendezvous.subscriptions import Subscriptions
from rendezvous.usage import Usage

T = TypeVar("T")
Forget = Callable[[Transaction, float], bool]
AskTime = Callable[[Transaction], float]

_log = Logger()

# Rows known to be bad, so that each is logged once; beyond this they may be logged again.
_MAX_KNOWN_BAD = 1000
_TOUCH_ROWS = 100
# NTP keeps clocks within milliseconds; no lifetime that makes sense is as short as a minute.
_CLOCKS_AGREE_SECONDS = 60.0
# Who has its turn sweeps; other instances leave it to that one.
_KEY = "expiry"


class _SweptElsewhere(Exception):
    """Another instance is at it."""


class _ClocksDisagree(Exception):
    """This machine's and the database's."""


@attrs.frozen
class Lifetimes:
    """How long what nobody uses is kept, in seconds; usage records for ever where that is None."""

    nameplate_seconds: float = 3600.0
    mailbox_seconds: float = 86400.0
    usage_seconds: float | None = 90 * 86400.0
    interval_seconds: float = 60.0


class Sweeper:
    """
    Sweeps again and again.

    :param forget: deletes some records from before a time, and tells whether there may be more.
    :param ask_time: the database's time of day, where it has a clock of its own.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ledger: Ledger,
        subscriptions: Subscriptions,
        usage: Usage,
        lifetimes: Lifetimes,
        observer: Observer,
        forget: Sequence[Forget],
        ask_time: AskTime | None = None,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._subscriptions = subscriptions
        self._usage = usage
        self._lifetimes = lifetimes
        self._observer = observer
        self._forget = forget
        self._ask_time = ask_time
        self._timer: IDelayedCall | None = None
        self._sweep: Deferred[None] | None = None
        self._bad: set[tuple[str, int]] = set()
        self._complained = False
        # The database or this machine was, so that nobody could touch what is in use.
        self._was_away = False
        self._due = 0.0

    def start(self) -> None:
        """Sweep after one interval: who was connected before a restart has that long to come back."""
        interval = self._lifetimes.interval_seconds
        self._due = self._clock.seconds() + interval
        self._timer = self._clock.callLater(interval, self._turn)

    def stop(self) -> None:
        """No sweep begins or goes on after this, but for the step that is under way."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._sweep is not None:
            self._sweep.cancel()

    def change(self, lifetimes: Lifetimes, usage: Usage) -> None:
        """Go on with others. What they have made expire goes with the next sweep."""
        again = lifetimes.interval_seconds != self._lifetimes.interval_seconds
        self._lifetimes = lifetimes
        self._usage = usage
        # A sweep that is under way sets the timer itself when it is done.
        if again and self._timer is not None and self._timer.active():
            self._timer.cancel()
            self.start()

    def _turn(self) -> None:
        # By the time of day, which timers do not follow.
        self._was_away |= self._clock.seconds() - self._due > self._lifetimes.interval_seconds
        self._sweep = Deferred.fromCoroutine(self.sweep())
        self._sweep.addBoth(self._swept)

    def _swept(self, _: object) -> None:
        self._sweep = None
        if self._timer is not None:
            self.start()

    async def sweep(self) -> None:
        """One sweep. Never raises."""
        steps = (
            self._touch,
            self._compare_clocks,
            self._expire_nameplates,
            self._expire_mailboxes,
            self._empty_discarded,
            self._forget_usage,
        )
        for step in (self._touch, self._come_back) if self._was_away else steps:
            try:
                await step()
            except (CancelledError, _SweptElsewhere):
                return
            except Exception as error:  # nothing stops the timer
                self._observer.expiry_failed()
                self._was_away |= isinstance(error, LedgerUnavailable)
                if not self._complained:
                    self._complained = True
                    if isinstance(error, LedgerUnavailable):
                        _log.error("expiry waits for the database")
                    elif isinstance(error, _ClocksDisagree):
                        _log.error("nothing expires here: {why}", why=error)
                    else:
                        _log.failure("a step of expiry failed and is tried again later")
                return
        self._complained = False

    async def _touch(self) -> None:
        present = sorted(self._subscriptions.present())
        for start in range(0, len(present), _TOUCH_ROWS):
            some = present[start : start + _TOUCH_ROWS]
            now = self._clock.seconds()
            await self._ledger.submit(
                partial(expiry.touch_mailboxes, addresses=some, now=now),
                keys=[mailbox_key(*address) for address in some],
            )

    async def _compare_clocks(self) -> None:
        if self._ask_time is None:
            return
        ahead = self._clock.seconds() - await self._submit(self._ask_time)
        if abs(ahead) > _CLOCKS_AGREE_SECONDS:
            raise _ClocksDisagree(
                f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} "
                "the database's; set both by NTP"
            )

    async def _come_back(self) -> None:
        """After an outage every instance has first to touch again what its clients use."""
        await self._submit(lambda _: None)
        self._was_away = False

    async def _expire_nameplates(self) -> None:
        now = self._clock.seconds()
        cutoff = now - self._lifetimes.nameplate_seconds
        expire = partial(
            expiry.expire_nameplate,
            cutoff=cutoff,
            is_present=self._subscriptions.is_present,
            usage=self._usage,
            now=now,
        )
        find = partial(expiry.stale_nameplates, cutoff=cutoff)
        await self._expire("nameplate", find, expire, self._nameplate_expired)

    async def _expire_mailboxes(self) -> None:
        now = self._clock.seconds()
        cutoff = now - self._lifetimes.mailbox_seconds
        expire = partial(
            expiry.expire_mailbox,
            cutoff=cutoff,
            is_present=self._subscriptions.is_present,
            usage=self._usage,
            now=now,
        )
        find = partial(expiry.stale_mailboxes, cutoff=cutoff)
        await self._expire("mailbox", find, expire, self._mailbox_expired)

    async def _expire(
        self,
        kind: str,
        find: Callable[..., list[expiry.Stale]],
        expire: Callable[..., T],
        expired: Callable[[T], object],
    ) -> None:
        place = expiry.Place()
        while True:
            stale = await self._submit(partial(find, place=place))
            for outcome in await self._together(kind, stale, expire):
                expired(outcome)
            if len(stale) < expiry.STEP_ROWS:
                return
            place = expiry.Place(stale[-1].used, stale[-1].id)

    async def _together(
        self, kind: str, stale: Sequence[expiry.Stale], expire: Callable[..., T]
    ) -> list[T]:
        """All in one transaction; one by one where that fails, passing over those that cannot go."""
        rows = [row.id for row in stale if (kind, row.id) not in self._bad]
        if not rows:
            return []
        try:
            return await self._submit(lambda tx: [expire(tx, row_id=row_id) for row_id in rows])
        except (CancelledError, LedgerUnavailable, _SweptElsewhere):
            raise
        except Exception:  # one of them is bad: the next lines find out which
            _log.debug("a step of expiry is taken apart")
        outcomes = []
        for row_id in rows:
            try:
                outcomes.append(await self._submit(partial(expire, row_id=row_id)))
            except (CancelledError, LedgerUnavailable, _SweptElsewhere):
                raise
            except Exception:  # a row that nobody foresaw must not keep the others
                if len(self._bad) >= _MAX_KNOWN_BAD:
                    self._bad.clear()
                self._bad.add((kind, row_id))
                self._observer.expiry_failed()
                _log.failure("a {kind} cannot be removed and is passed over", kind=kind)
        return outcomes

    async def _empty_discarded(self) -> None:
        while await self._submit(expiry.empty_discarded):
            pass

    async def _forget_usage(self) -> None:
        if self._lifetimes.usage_seconds is None:
            return
        cutoff = self._clock.seconds() - self._lifetimes.usage_seconds
        for forget in (expiry.forget_usage, *self._forget):
            step = partial(_forget, forget=forget, cutoff=cutoff)
            while await self._submit(step):
                pass

    async def _submit(self, operation: Callable[[Transaction], T]) -> T:
        outcome = await self._ledger.submit(partial(_in_turn, operation=operation))
        if outcome is None:
            raise _SweptElsewhere
        return outcome[0]

    def _nameplate_expired(self, outcome: Released) -> None:
        if outcome.retired is not None:
            self._observer.nameplate_retired(outcome.retired)

    def _mailbox_expired(self, outcome: Closed) -> None:
        if outcome.retired is not None:
            self._observer.mailbox_retired(outcome.retired)
        if outcome.nameplate_retired is not None:
            self._observer.nameplate_retired(outcome.nameplate_retired)


def _in_turn(tx: Transaction, *, operation: Callable[[Transaction], T]) -> tuple[T] | None:
    return (operation(tx),) if tx.try_lock(_KEY) else None


def _forget(tx: Transaction, *, forget: Forget, cutoff: float) -> bool:
    return forget(tx, cutoff)
