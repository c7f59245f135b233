"""
The connections of a nuisance: a process of its own, which goes on until it is killed.

Owns sockets and an epoll loop; the steps are the nuisance's. What the server sends is thrown away, unless the
nuisance does not read.
"""

import contextlib
import gc
import itertools
import os
import select
import socket
import sys
import time

import msgspec

from bench.abuse.nuisance import Action, Nuisance, Steps
from bench.abuse.nuisances import NUISANCES
from bench.common import raise_file_limit
from bench.rendezvous.wire import UPGRADE

# It would be on other machines: the server's threads don't wait for a processor that it has.
_NICE = 15
_AT_ONCE = 65536
_STARTED_TOGETHER = 20
_AGAIN_SECONDS = 0.5
_PAUSE_SECONDS = 0.05
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h


class AttackJob(msgspec.Struct, frozen=True):
    """
    What to do.

    :ivar sources: a connection is made from each, so often as it is named.
    """

    nuisance: str
    web_port: int
    relay_port: int
    sources: list[str]


class _Attacker:
    """One connection, made anew whenever it ends."""

    def __init__(self, epoll: select.epoll, job: AttackJob, nuisance: Nuisance, number: int):
        self._epoll = epoll
        self._job = job
        self._nuisance = nuisance
        self._number = number
        self.due = 0.0  # when to connect, or to go on after a pause; 0 if neither
        self.socket: socket.socket | None = None
        self._steps: Steps = iter(())
        self._unsent = memoryview(b"")
        self._waits = False
        self._deaf = False

    def go_on(self) -> None:
        """Connect, or take the next step after a pause."""
        self.due = 0.0
        if self.socket is None:
            self._connect()
        else:
            self._take_step()

    def _connect(self) -> None:
        nuisance = self._nuisance
        made = self.socket = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        made.bind((self._job.sources[self._number], 0))
        port = self._job.relay_port if nuisance.on_relay_port else self._job.web_port
        made.connect_ex(("127.0.0.1", port))
        self._steps = nuisance.steps(self._number)
        if nuisance.path is not None:
            handshake = UPGRADE.replace(b"/v1", nuisance.path, 1)
            self._steps = itertools.chain([handshake, Action.WAIT], self._steps)
        self._unsent = memoryview(b"")
        self._waits = self._deaf = False
        self._epoll.register(made.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def ready(self, events: int) -> None:
        """Read and write what goes."""
        try:
            if events & ~select.EPOLLOUT:
                self._read()
            if events & select.EPOLLOUT and self.socket is not None:
                self._write()
        except OSError:
            self._end()

    def _read(self) -> None:
        assert self.socket is not None
        if not self.socket.recv(_AT_ONCE):
            self._end()
        elif self._waits:
            self._waits = False
            self._take_step()

    def _write(self) -> None:
        assert self.socket is not None
        self._unsent = self._unsent[self.socket.send(self._unsent[:_AT_ONCE]) :]
        if not self._unsent:
            self._take_step()

    def _take_step(self) -> None:
        assert self.socket is not None
        step = next(self._steps, None)
        if isinstance(step, bytes):
            self._unsent = memoryview(step)
            self._watch(select.EPOLLOUT)
            return
        match step:
            case None:
                self._end()
            case Action.WAIT:
                self._waits = True
                self._watch()
            case Action.PAUSE:
                self.due = time.monotonic() + _PAUSE_SECONDS
                self._watch()
            case Action.STOP_READING:
                self._deaf = True
                self._take_step()
            case Action.HALF_CLOSE:
                self.socket.shutdown(socket.SHUT_WR)
                self._take_step()
            case Action.STAY:
                self._watch()

    def _watch(self, events: int = 0) -> None:
        assert self.socket is not None
        self._epoll.modify(self.socket.fileno(), events if self._deaf else events | select.EPOLLIN)

    def _end(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            # What does not live by connecting again is not refused in a loop.
            self.due = time.monotonic() + (0.0 if self._nuisance.churns else _AGAIN_SECONDS)


def attack(job: AttackJob) -> None:
    """Be a nuisance until killed."""
    epoll = select.epoll()
    nuisance = NUISANCES[job.nuisance]
    attackers = [_Attacker(epoll, job, nuisance, number) for number in range(len(job.sources))]
    active: dict[int, _Attacker] = {}
    waiting = dict.fromkeys(attackers)
    while True:
        now = time.monotonic()
        due = [each for each in waiting if each.due <= now][:_STARTED_TOGETHER]
        for each in due:
            del waiting[each]
            each.go_on()
            if each.socket is not None:
                active[each.socket.fileno()] = each
            if each.due or each.socket is None:
                waiting[each] = None
        for file, events in epoll.poll(0.01 if waiting else 1.0, 256):
            attacker = active[file]
            attacker.ready(events)
            if attacker.socket is None:
                del active[file]
            if attacker.due:
                waiting[attacker] = None


def main() -> None:
    """Do the job in the first argument."""
    gc.disable()
    os.nice(_NICE)
    raise_file_limit()
    with contextlib.suppress(KeyboardInterrupt):
        attack(msgspec.json.decode(sys.argv[1], type=AttackJob))


if __name__ == "__main__":
    main()
