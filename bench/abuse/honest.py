"""
The honest clients: a process of its own, which runs one exchange after the other and measures each step.

A step is a command and its acknowledgement. It is measured in time, and in the processor time that the server
takes meanwhile. The smaller of the two is what the server makes its client wait: the processors are shared
with whoever is a nuisance, and the time of a server that does not run is not its fault.
"""

import gc
import itertools
import sys
import time
from functools import partial

import msgspec

from bench.abuse.processor_clock import ProcessorClock
from bench.common import percentile
from bench.rendezvous.exchange import Exchange, Tally
from bench.rendezvous.wire import Connection, Listener, Loop, ServerMessage

_PATIENCE_SECONDS = 60.0


class HonestJob(msgspec.Struct, frozen=True):
    """
    What to do: exchanges at `port` for so long.

    :ivar sources: one exchange from each, in turn: an address may create 20 nameplates a minute.
    :ivar pause_seconds: between two exchanges; whoever pairs a code has taken much longer.
    """

    port: int
    server_pid: int
    sources: list[str]
    seconds: float
    pause_seconds: float = 0.05


class Steps(msgspec.Struct, frozen=True):
    """What came of it in so many seconds, in milliseconds; `least` is the smaller of the two times."""

    seconds: float
    steps: int
    exchanges: int
    failed: int
    first_failure: str
    least_p50: float
    least_p99: float
    wall_p50: float
    wall_p99: float
    connect_p50: float
    connect_p99: float


class _Steps:
    def __init__(self, server_pid: int) -> None:
        self.least: list[float] = []
        self.wall: list[float] = []
        self.connects: list[float] = []
        self.cpu_seconds = ProcessorClock(server_pid).seconds


class _MeasuredConnection(Connection):
    """A connection that notes when each command was sent and acknowledged."""

    __slots__ = ("_began", "_sent", "_steps")

    def __init__(
        self, steps: _Steps, source: str, loop: Loop, port: int, listener: Listener
    ) -> None:
        self._steps = steps
        self._sent: list[tuple[float, float]] = []
        self._began = time.perf_counter()
        super().__init__(loop, port, _Acknowledged(self, listener), source)

    def send(self, frames: bytes) -> None:
        """Send, and note the time of each command."""
        now = time.perf_counter(), self._steps.cpu_seconds()
        # The mask of zeros leaves the text as it is.
        self._sent += [now] * frames.count(b'"type":')
        super().send(frames)

    def welcomed(self) -> None:
        """The server has accepted the connection."""
        self._steps.connects.append(time.perf_counter() - self._began)

    def acknowledged(self) -> None:
        """The oldest command is acknowledged."""
        began, cpu = self._sent.pop(0)
        wall = time.perf_counter() - began
        self._steps.wall.append(wall)
        self._steps.least.append(min(wall, self._steps.cpu_seconds() - cpu))


class _Acknowledged:
    """Hears what comes before the exchange does."""

    def __init__(self, connection: _MeasuredConnection, listener: Listener) -> None:
        self._connection = connection
        self._listener = listener

    def opened(self) -> None:
        self._listener.opened()

    def received(self, message: ServerMessage) -> None:
        if message.type == "ack":
            self._connection.acknowledged()
        elif message.type == "welcome":
            self._connection.welcomed()
        self._listener.received(message)

    def dropped(self) -> None:
        self._listener.dropped()


def measure(job: HonestJob) -> Steps:
    """Run exchanges, one after the other."""
    loop, tally, steps = Loop(), Tally(), _Steps(job.server_pid)

    began = time.perf_counter()
    deadline = began + job.seconds
    for source in itertools.cycle(job.sources):
        if time.perf_counter() >= deadline:
            break
        connect = partial(_MeasuredConnection, steps, source)
        ended: list[Exchange] = []
        exchange = Exchange(loop, job.port, tally, ended.append, connect=connect)
        if not loop.run(lambda ended=ended: bool(ended), _PATIENCE_SECONDS):  # type: ignore[misc]
            exchange.fail(f"an exchange took more than {_PATIENCE_SECONDS:.0f} s")
        time.sleep(job.pause_seconds)

    def milliseconds(values: list[float], share: float) -> float:
        return 1000 * (percentile(values, share) or 0.0)

    return Steps(
        seconds=time.perf_counter() - began,
        steps=len(steps.wall),
        exchanges=tally.finished,
        failed=tally.failed,
        first_failure=tally.first_failure,
        least_p50=milliseconds(steps.least, 0.50),
        least_p99=milliseconds(steps.least, 0.99),
        wall_p50=milliseconds(steps.wall, 0.50),
        wall_p99=milliseconds(steps.wall, 0.99),
        connect_p50=milliseconds(steps.connects, 0.50),
        connect_p99=milliseconds(steps.connects, 0.99),
    )


def main() -> None:
    """Do the job in the first argument."""
    gc.disable()  # a collection would show up as a step
    job = msgspec.json.decode(sys.argv[1], type=HonestJob)
    print(msgspec.json.encode(measure(job)).decode())


if __name__ == "__main__":
    main()
