"""
The repeating timer: a service that calls one function at a fixed interval.

Owns the schedule and the containment of exceptions. What is called, and whether its failures are counted,
is up to the caller.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class RepeatingTimer(Service):
    """
    Calls a function every `interval_seconds` while the service runs, for the first time after one interval.

    An exception does not stop the timer. It is logged with its traceback, once until a call has succeeded
    again, so that a fault that stays does not fill the log.

    :param clock: runs the timer; steady, not the time of day.
    :param interval_seconds: from one call to the next; from the end of a call where it returns a Deferred,
        so that calls never overlap. Zero: never.
    :param call: takes nothing; a Deferred that it returns is cancelled when the service stops.
    :param failed: told of every exception before it is logged; for a counter.
    """

    def __init__(
        self,
        clock: IReactorTime,
        interval_seconds: float,
        call: Callable[[], Deferred[None] | None],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._call = call
        self._failed = failed
        self._timer: IDelayedCall | None = None
        self._under_way: Deferred[None] | None = None
        self._logged = False

    def startService(self) -> None:
        """Start the first interval."""
        super().startService()  # type: ignore[no-untyped-call]
        self._schedule()

    def stopService(self) -> None:
        """Cancel the timer, and the call that is under way."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._cancel()
        if self._under_way is not None:
            self._under_way.cancel()

    def change_interval(self, interval_seconds: float) -> None:
        """Use another interval from now on; where it differs, a new one begins at once."""
        if interval_seconds == self._interval_seconds:
            return
        self._interval_seconds = interval_seconds
        # A call that is under way starts the next interval when it ends.
        if self._under_way is None:
            self._schedule()

    def _schedule(self) -> None:
        # A call may have changed the interval, which starts one as well.
        self._cancel()
        if self.running and self._interval_seconds:
            self._timer = self._clock.callLater(self._interval_seconds, self._run)

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _run(self) -> None:
        self._timer = None
        try:
            under_way = self._call()
        except Exception:
            self._log(Failure())
            self._schedule()
            return
        if under_way is None:
            self._logged = False
            self._schedule()
            return
        self._under_way = under_way
        under_way.addCallbacks(self._succeeded, self._log)
        under_way.addBoth(self._ended)

    def _succeeded(self, _: object) -> None:
        self._logged = False

    def _ended(self, _: object) -> None:
        self._under_way = None
        self._schedule()

    def _log(self, failure: Failure) -> None:
        if not self.running:
            return  # it was cancelled
        try:
            self._failed()
        except Exception:
            _log.failure("A counter of failed timer calls failed.")
        if not self._logged:
            self._logged = True
            _log.failure("A repeated call failed, and is made again at its next time.", failure)
