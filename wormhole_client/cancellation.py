"""
Cancellation: work that was cancelled ends with `CancelledError`, and with nothing else.

Endpoints, `gatherResults` and clean-up code raise errors of their own when they are cancelled. Code that
reports errors waits with `until_done`, so that it never takes a cancellation for a failure.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


async def until_done(work: Coroutine[Deferred[Any], Any, T]) -> T:
    """
    Run a coroutine; when this one is cancelled, cancel it and wait until it has cleaned up.

    :return: its result.
    :raises CancelledError: the caller was cancelled, whatever the coroutine raised or returned then.
    :raises BaseException: what the coroutine raised otherwise.
    """
    cancelled = False
    results: list[T | Failure] = []

    def cancel(_: Deferred[None]) -> None:
        nonlocal cancelled
        cancelled = True

    running = Deferred.fromCoroutine(work)
    done: Deferred[None] = Deferred(cancel)
    cleaned_up: Deferred[None] = Deferred()

    def end(result: T | Failure) -> None:
        results.append(result)
        (cleaned_up if cancelled else done).callback(None)

    running.addBoth(end)
    try:
        await done
    except CancelledError:
        running.cancel()
        await cleaned_up
        raise
    [result] = results
    if isinstance(result, Failure):
        result.raiseException()
    return result
