"""
Blocking work in a thread of the reactor's pool, which can be stopped before its end.

Owns the flag that the thread looks at; knows nothing of what the work does.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

T = TypeVar("T")
Stopped = Callable[[], bool]
"""Whether the work is to end early. It is called from the thread that works."""


async def run_blocking(reactor: Any, work: Callable[[Stopped], T]) -> T:
    """
    Run blocking work in a thread.

    When cancelled, it returns only after the thread has ended: until then the files that it uses may not
    be removed, and the process cannot exit.
    """
    stop = threading.Event()
    ended: Deferred[None] = Deferred()
    result: Deferred[T] = Deferred()

    def end(outcome: T | Failure) -> None:
        ended.callback(None)
        if isinstance(outcome, Failure):
            result.errback(outcome)
        else:
            result.callback(outcome)

    deferToThreadPool(reactor, reactor.getThreadPool(), work, stop.is_set).addBoth(end)
    try:
        return await result
    except CancelledError:
        stop.set()
        await ended
        raise
