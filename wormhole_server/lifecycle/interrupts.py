"""
SIGINT before the reactor handles it: while the program is imported, and while a server starts.

The first thing that a process imports, so it imports nothing slow.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any, Protocol


@contextlib.contextmanager
def immediate_interrupts() -> Iterator[None]:
    """
    Let SIGINT end the process at once and silently, as SIGTERM does, until the reactor handles both.

    Python would raise `KeyboardInterrupt` anywhere, which a Deferred takes for a failure.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class InterruptibleReactor(Protocol):
    """What `interrupt_until_running` needs of a reactor."""

    def callWhenRunning(self, call: Callable[[], object], /) -> Any: ...  # noqa: N802 - Twisted's
    def sigInt(self, number: int, frame: Any = None, /) -> None:  # noqa: N802
        """Stop the reactor because of SIGINT."""


def interrupt_until_running(reactor: InterruptibleReactor) -> None:
    """
    Let SIGINT end the process at once and silently until the reactor runs, and stop the reactor then.

    Call it before anything starts. The reactor replaces only Python's handler, so this has to do it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def running() -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # not that of a debugger
            signal.signal(signal.SIGINT, reactor.sigInt)

    reactor.callWhenRunning(running)
