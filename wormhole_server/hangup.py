"""
SIGHUP. Owns the process's handler for it, and gives back what was there before.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from twisted.internet.interfaces import IReactorFromThreads


def on_hangup(reactor: IReactorFromThreads, call: Callable[[], object]) -> Callable[[], None]:
    """
    Have `call` called in the reactor at each SIGHUP, after whatever handled the signal before: twistd or
    a wrapper of the operator's may open its log anew.

    :return: takes the handler away again.
    """
    number = getattr(signal, "SIGHUP", None)
    if number is None:
        return _nothing
    before = signal.getsignal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        # Between any two instructions of anything: only this may be done here.
        reactor.callFromThread(call)

    signal.signal(number, handle)

    def restore() -> None:
        # Somebody may have put a handler of theirs before ours, and call ours after it.
        if signal.getsignal(number) is handle:
            signal.signal(number, signal.SIG_DFL if before is None else before)

    return restore


def _nothing() -> None:
    """A system without the signal."""
