"""
Two honest addresses at once: one with many exchanges at once, such as an office or a load test, and one with
a single client. Neither may fall below half of its speed alone.
"""

import subprocess
import sys
from typing import TypeVar

import attrs
import msgspec

from bench.abuse.honest import HonestJob, Steps
from bench.abuse.server import ServerUnderAttack
from bench.common import ROOT, BenchError
from bench.rendezvous.load import Job, Measured

_MANY = "127.0.0.2"
_WARM_SECONDS = 1.0
T = TypeVar("T")


@attrs.frozen
class Shared:
    """Exchanges a second of both, alone and at the same time; and the steps of the single client."""

    many_alone: float
    many_beside: float
    one_alone: Steps
    one_beside: Steps


def measure(
    server: ServerUnderAttack, sources: list[str], concurrency: int, seconds: float
) -> Shared:
    """
    Measure each alone, and then both.

    :param sources: the addresses of the single client.
    :param concurrency: exchanges at once of the other address.
    """
    one = HonestJob(server.web, server.pid, sources, seconds, pause_seconds=0.0)
    many = Job(
        port=server.web,
        server_pid=server.pid,
        database_pid=0,
        concurrency=concurrency,
        warm_seconds=_WARM_SECONDS,
        seconds=seconds,
        most_seconds=seconds,
        generations=0.0,
        source=_MANY,
    )
    many_alone = _finish(_start("bench.rendezvous.load", many), Measured).rate
    one_alone = _finish(_start("bench.abuse.honest", one), Steps)
    longer = msgspec.structs.replace(one, seconds=seconds + 2 * _WARM_SECONDS)
    both = _start("bench.rendezvous.load", many), _start("bench.abuse.honest", longer)
    many_beside, one_beside = _finish(both[0], Measured).rate, _finish(both[1], Steps)
    return Shared(many_alone, many_beside, one_alone, one_beside)


def _start(module: str, job: msgspec.Struct) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", module, msgspec.json.encode(job).decode()]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT)


def _finish(process: subprocess.Popen[bytes], kind: type[T]) -> T:
    output, _ = process.communicate()
    if process.returncode:
        raise BenchError("a load generator failed")
    return msgspec.json.decode(output, type=kind)
