"""
What stands in for the world in tests of the rendezvous server: transports, threads, counters, runners.

None of these replaces a part of the server that is under test: each is at its edge.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from rendezvous.errors import ErrorKind
from rendezvous.ledger.queue import Job
from rendezvous.observer import DropReason, RendezvousObserver
from rendezvous.protocol.conversation import CommandKind
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.protocol.replies import StoredMessage
from tests.rendezvous.stores import Store
from wormhole_websocket.frames import ping_frame

T = TypeVar("T")

# A thread that has not answered by then never will.
_PATIENCE_SECONDS = 20.0


@implementer(IReactorFromThreads)
class Reactor(Clock):
    """A clock that stands still, and the calls that threads leave for the reactor's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(
        self,
        callable: Callable[..., Any],  # noqa: A002 - Twisted's
        *args: object,
        **kwargs: object,
    ) -> None:
        """Leave a call for the thread that turns the reactor."""
        self._calls.put(lambda: callable(*args, **kwargs))

    def turn(self) -> None:
        """Run what is due and what threads have left so far."""
        self.advance(0)
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            call()
            self.advance(0)

    def wait(self) -> None:
        """Run what is due, or else the next call of a thread, waiting for it."""
        if any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
            self.turn()
            return
        self._calls.get(timeout=_PATIENCE_SECONDS)()
        self.turn()

    def until(self, there: Callable[[], bool]) -> None:
        """Turn until something is so."""
        self.turn()
        while not there():
            self.wait()

    def result(self, deferred: Deferred[T], seconds: float = 0.0) -> T:
        """
        Turn until the Deferred has fired; its result, or its exception.

        :param seconds: moves the clock on by so much at each turn, and then waits for no thread.
        """
        outcome: list[object] = []
        deferred.addBoth(outcome.append)
        self.turn()
        while not outcome:
            if seconds:
                self.advance(seconds)
                self.turn()
            else:
                self.wait()
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return cast("T", outcome[0])


class Recorder(RendezvousObserver):
    """An observer that remembers."""

    def __init__(self) -> None:
        self.connections = 0
        self.drops: list[DropReason] = []
        self.commands: list[CommandKind] = []
        self.errors: list[ErrorKind] = []
        self.nameplates: list[Mood] = []
        self.mailboxes: list[Mood] = []
        self.web_clients: list[Mood] = []
        self.batches: list[int] = []
        self.commit_seconds: list[float] = []
        self.answers: list[float] = []
        self.deliveries: list[float] = []
        self.counts: Counter[str] = Counter()

    def connected(self) -> None:
        self.connections += 1

    def disconnected(self) -> None:
        self.connections -= 1

    def dropped(self, reason: DropReason) -> None:
        self.drops.append(reason)

    def command(self, kind: CommandKind) -> None:
        self.commands.append(kind)

    def error(self, kind: ErrorKind) -> None:
        self.errors.append(kind)

    def answered(self, seconds: float) -> None:
        self.answers.append(seconds)

    def delivered(self, seconds: float) -> None:
        self.deliveries.append(seconds)

    def announced(self) -> None:
        self.counts["announced"] += 1

    def caught_up(self) -> None:
        self.counts["caught_up"] += 1

    def retired(self, retired: Retired) -> None:
        if retired.nameplate is not None:
            self.nameplates.append(retired.nameplate)
        if retired.mailbox is not None:
            self.mailboxes.append(retired.mailbox)

    def web_client_closed(self, mood: Mood) -> None:
        self.web_clients.append(mood)

    def batch_committed(self, operations: int, seconds: float) -> None:
        self.batches.append(operations)
        self.commit_seconds.append(seconds)

    def batch_failed(self) -> None:
        self.counts["batch_failed"] += 1

    def expiry_failed(self) -> None:
        self.counts["expiry_failed"] += 1

    def internal_error(self) -> None:
        self.counts["internal_error"] += 1


class FailingObserver(RendezvousObserver):
    """Raises whatever is reported to it."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_"):
            return found

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        fail.__name__ = name
        return fail


class HeldRunner:
    """A runner that holds every batch until the test lets it go; operations get no transaction."""

    def __init__(self) -> None:
        self.batches: list[tuple[Sequence[Job], Callable[[], object]]] = []
        self.waiting_stopped = False
        self.stopped = False

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""
        self.batches.append((jobs, done))

    def let_go(self) -> None:
        """Run the batch that waits."""
        jobs, done = self.batches.pop(0)
        for job in jobs:
            try:
                job.run(cast("Any", None))
            except Exception as error:  # what it raises is its outcome
                job.fail(error)
        done()

    def stop_waiting(self) -> None:
        """See `Runner.stop_waiting`."""
        self.waiting_stopped = True

    def close(self) -> None:
        """See `Runner.close`."""
        self.stopped = True


class StoreRunner:
    """A runner on a test's database that is done before it returns; may be told to hold, or to fail."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.held = False
        # As many jobs to come fail with this.
        self.failure: Exception | None = None
        self.failures = 0
        self._waiting: Callable[[], None] | None = None

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""

        def go() -> None:
            for job in jobs:
                self._run(job)
            done()

        if self.held:
            self._waiting = go
        else:
            go()

    def _run(self, job: Job) -> None:
        if self.failure is not None and self.failures:
            self.failures -= 1
            job.fail(self.failure)
            return
        try:
            self.store.run(job.run)
        except Exception as error:  # what it raises is its outcome
            job.fail(error)

    def let_go(self) -> None:
        """Run the batch that waits, and hold no more."""
        self.held = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def stop_waiting(self) -> None:
        """See `Runner.stop_waiting`."""

    def close(self) -> None:
        """See `Runner.close`."""


class RecordingSubscriber:
    """A `Subscriber` that remembers what was delivered, and which pages it was to fetch."""

    def __init__(self) -> None:
        self.delivered: list[StoredMessage] = []
        self.fetched: list[int] = []

    def deliver(self, messages: Sequence[StoredMessage]) -> None:
        """See `Subscriber`."""
        self.delivered.extend(messages)

    def fetch(self, number: int) -> None:
        """See `Subscriber`."""
        self.fetched.append(number)


class FakeTransport:
    """A client's end: takes frames apart, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.dropped: list[bool] = []
        self.paused = False

    def serve(self, units: int) -> bool:
        """See `FrameTransport.serve`."""
        return False

    def write(self, frame: bytes) -> None:
        """See `FrameTransport.write`."""
        self.frames.append(frame)

    def pause(self) -> None:
        """See `FrameTransport.pause`."""
        self.paused = True

    def resume(self) -> None:
        """See `FrameTransport.resume`."""
        self.paused = False

    def drop(self, *, flush: bool) -> None:
        """See `FrameTransport.drop`."""
        self.dropped.append(flush)

    @property
    def pings(self) -> int:
        """WebSocket pings since the last look."""
        return self.frames.count(ping_frame())

    def heard(self) -> list[dict[str, Any]]:
        """The messages that have come since the last `take`."""
        return [json.loads(payload_of(frame)) for frame in self.frames if frame != ping_frame()]

    def take(self) -> list[dict[str, Any]]:
        """The messages that have come since the last `take`, this one included."""
        heard = self.heard()
        self.frames.clear()
        return heard


def payload_of(frame: bytes) -> bytes:
    """What an unmasked text frame carries, read by RFC 6455, 5.2."""
    if frame[0] != 0x81:
        raise AssertionError(f"not a text frame of one piece: {frame[:2]!r}")
    size, start = frame[1], 2
    if size == 126:
        size, start = int.from_bytes(frame[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(frame[2:10], "big"), 10
    if len(frame) != start + size:
        raise AssertionError("the length of a frame is not what it says")
    return frame[start:]
