"""
`python -m bench.restarts`: restarts under transfers of real clients through the relay. None may be cut.

Each restart starts a server that takes over from the one that runs (`--take-over`); every second one is an
upgrade, to a copy of this checkout with another version. Meanwhile `wormhole` and, as root and with Debian's
wormhole-william, that one too, send files, each slowly enough to live through many restarts; as soon as one
has ended the next begins. Every file is compared. A pair that sends a byte every few milliseconds shows for
how long transfers stand still. wormhole-william does not reconnect to a rendezvous server, so a restart waits
for one that has not begun to transfer; its key exchange with `wormhole` fails once in some hundred, which is
counted by itself.
"""

import argparse
import contextlib
import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self
from urllib.request import urlopen

import attrs

from bench.common import (
    BOUNDS_OUT_OF_REACH,
    OURS,
    ROOT,
    BenchError,
    figure,
    free_port,
    machine,
    median,
    percentile,
    print_table,
    say,
    scratch,
)

_CODE = re.compile(r"(\d+-[a-z]+-[a-z]+)\s*$")
_PUBLIC_RELAY_PORT = 4001  # wormhole-william of Debian knows no other
_BEAT_SECONDS = 0.005
_CLIENT_SECONDS = 900.0
_STARTING = 6  # a client takes most of its processor time for that, and some give up after seconds
_PACKAGES = [
    *("migrations", "rendezvous", "transit_relay"),
    *(f"wormhole_{name}" for name in ("client", "limits", "server", "twisted", "web", "websocket")),
]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.restarts", description=__doc__)
    parser.add_argument("--restarts", type=int, default=50, help="how many (50)")
    parser.add_argument("--transfers", type=int, default=100, help="at once (100)")
    parser.add_argument("--size", type=int, default=16_000_000, help="bytes of a file (16 MB)")
    parser.add_argument("--rate", type=int, default=20_000, help="bytes a second (20 kB)")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between restarts (3)")
    options = parser.parse_args()
    try:
        with scratch() as directory, contextlib.ExitStack() as places:
            print(machine())
            networks: Sequence[str] = ()
            if shutil.which("wormhole-william") and os.geteuid() == 0:
                networks = places.enter_context(_networks())
            server = places.enter_context(_Server(directory, options.rate))
            _run(server, directory, networks, options)
    except BenchError as error:
        sys.exit(f"bench.restarts: {error}")


def _run(
    server: "_Server", directory: Path, networks: Sequence[str], options: argparse.Namespace
) -> None:
    bench = _Transfers(server, directory, networks, options.size)
    threads = [
        threading.Thread(target=bench.keep_going, args=[number])
        for number in range(options.transfers)
    ]
    for thread in threads:
        thread.start()
    say(f"waiting until {options.transfers} transfers run")
    while bench.running < options.transfers:
        if len(bench.cut) + len(bench.never_begun) > options.transfers // 10:
            raise BenchError(f"before the first restart: {[*bench.cut, *bench.never_begun]}")
        time.sleep(0.1)
    gaps = []
    with _Beat(server.transit_port) as beat:
        for number in range(options.restarts):
            time.sleep(options.pause)
            beat.longest()
            with bench.none_begins():
                server.restart(upgrade=number % 2 == 0)
            time.sleep(0.2)
            gaps.append(beat.longest() * 1000)
            say(f"restart {number + 1}: {bench.running} run, {bench.done} done, {gaps[-1]:.0f} ms")
    bench.stop()
    with bench.none_begins():
        server.restart(upgrade=False, limited=False)  # what runs is finished soon
    for thread in threads:
        thread.join()
    print_table(
        f"{options.restarts} restarts under {options.transfers} transfers "
        f"of {options.size:,} bytes at {options.rate:,} bytes/s",
        [
            "transfers",
            "cut",
            "never begun",
            "handed over",
            "stand still, ms: median",
            "p90",
            "longest",
        ],
        [
            [
                str(bench.done),
                str(len(bench.cut)),
                str(len(bench.never_begun)),
                str(server.handed_over()),
                *map(figure, (median(gaps), percentile(gaps, 0.9), max(gaps))),
            ]
        ],
    )
    for problem in (*bench.cut, *bench.never_begun):
        print(problem)
    if bench.cut:
        raise BenchError(f"{len(bench.cut)} transfers were cut")


class _Server:
    """The server that runs, and those that take over from it."""

    def __init__(self, directory: Path, rate: int) -> None:
        self.port = free_port()
        self.transit_port = _PUBLIC_RELAY_PORT
        self._metrics = free_port()
        self._log = directory / "server.log"
        self._flags = [
            f"--rendezvous=tcp:{self.port}:interface=0.0.0.0",
            f"--transit=tcp:{self.transit_port}:interface=0.0.0.0",
            f"--metrics=tcp:{self._metrics}:interface=127.0.0.1",
            f"--database=sqlite:///{directory / 'server.db'}",
            f"--take-over={directory / 'take-over'}",
            "--connections-per-address=none",
            "--transit-waiting-per-address=none",
            *BOUNDS_OUT_OF_REACH,
        ]
        self._rate = rate
        self._upgrade = directory / "upgrade"
        for package in _PACKAGES:
            shutil.copytree(ROOT / package, self._upgrade / package)
        version = self._upgrade / "wormhole_server" / "version.py"
        version.write_text(version.read_text().replace('VERSION = "', 'VERSION = "9.'))
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = 0

    def __enter__(self) -> Self:
        self.restart(upgrade=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *, upgrade: bool, limited: bool = True) -> None:
        """Start a server that takes over, and wait until it serves and the other has ended."""
        limit = [f"--transit-rate-per-pair={self._rate}"] if limited else []
        before = self._process
        environment = {**os.environ, "PYTHONPATH": str(self._upgrade)} if upgrade else None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(OURS / "wormhole-server"), "run", *self._flags, *limit],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env=environment,
            )
        self._ready += 1
        while self._log.read_text().count(" Metrics: ") < self._ready:
            if self._process.poll() is not None:
                raise BenchError(f"no server took over:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.01)
        if before is not None and before.wait(60.0) != 0:
            raise BenchError(f"the server before failed:\n{self._log.read_text()[-2000:]}")
        with urlopen(f"http://127.0.0.1:{self._metrics}/metrics") as page:
            if (b'version="9.' in page.read()) != upgrade:
                raise BenchError("a server of the wrong version serves")

    def handed_over(self) -> int:
        """How many connections all servers together have taken over."""
        return sum(map(int, re.findall(r"Taken over: (\d+) ", self._log.read_text())))


class _Transfers:
    """
    Transfers, each followed by another one.

    :param networks: two, from which only this machine can be reached; none: without wormhole-william.
    """

    def __init__(
        self, server: _Server, directory: Path, networks: Sequence[str], size: int
    ) -> None:
        self.running = self.done = 0
        self.cut: list[str] = []
        self.never_begun: list[str] = []
        self._server = server
        self._directory = directory
        self._networks = networks
        self._file = directory / "file.bin"
        data = random.Random(1).randbytes(size)
        self._file.write_bytes(data)
        self._digest = hashlib.sha256(data).digest()
        self._stopped = False
        self._lock = threading.Lock()
        self._starting = self._beginning = 0
        self._may_begin = True
        self._news = threading.Condition(self._lock)

    def keep_going(self, number: int) -> None:
        """Transfer again and again, until the stop."""
        sender, receiver = ("go" if self._networks and number & bit else "py" for bit in (1, 2))
        while not self._stopped:
            here = self._directory / f"here-{number}"
            here.mkdir()
            with self._beginning_with(here, sender, receiver):
                problem = self._transfer(sender, receiver, here)
                begun = any(each.stat().st_size for each in here.iterdir())
                shutil.rmtree(here)
            with self._lock:
                self.done += begun
                if problem is not None:
                    problems = self.cut if begun else self.never_begun
                    problems.append(f"{sender} to {receiver}: {problem}")

    def stop(self) -> None:
        """Begin no more."""
        self._stopped = True

    @contextlib.contextmanager
    def none_begins(self) -> Iterator[None]:
        """Let no transfer begin that cannot reconnect, and wait for those that do."""
        with self._news:
            self._may_begin = False
            self._news.wait_for(lambda: not self._beginning)
        try:
            yield
        finally:
            with self._news:
                self._may_begin = True
                self._news.notify_all()

    @contextlib.contextmanager
    def _beginning_with(self, here: Path, *ends: str) -> Iterator[None]:
        """Begin, few at once, and count as beginning until bytes have come."""
        held = int("go" in ends)
        with self._news:
            self._news.wait_for(
                lambda: self._starting < _STARTING and (self._may_begin or not held)
            )
            self._starting += 1
            self._beginning += held
        watch = threading.Thread(target=self._watch, args=[here, held])
        watch.start()
        yield
        watch.join()

    def _watch(self, here: Path, held: int) -> None:
        flows = False
        with contextlib.suppress(FileNotFoundError):  # it has ended
            while not any(each.stat().st_size for each in here.iterdir()):
                time.sleep(0.05)
            flows = True
        with self._news:
            self._starting -= 1
            self._beginning -= held
            self.running += flows
            self._news.notify_all()
        while flows and here.exists():
            time.sleep(0.05)
        with self._news:
            self.running -= flows

    def _transfer(self, sender: str, receiver: str, here: Path) -> str | None:
        sending = _Client(self._command(sender, 0, "send", str(self._file)), self._directory)
        try:
            code = sending.code()
            if code is None:
                return f"no code: {sending.output}"
            receiving = _Client(self._command(receiver, 1, "receive", code), here, "y\n")
            received = receiving.finish()
            if received != 0:
                sending.end()  # it would wait for somebody else
            statuses = received, sending.finish()
        finally:
            sending.end()
        if statuses != (0, 0):
            return f"{statuses}: {sending.output} {receiving.output}"
        arrived = hashlib.sha256((here / self._file.name).read_bytes()).digest()
        return None if arrived == self._digest else "another file arrived"

    def _command(self, who: str, place: int, verb: str, what: str) -> list[str]:
        host, network = "127.0.0.1", []
        if self._networks:
            host, network = "10.77.0.1", ["ip", "netns", "exec", self._networks[place]]
        url = f"--relay-url=ws://{host}:{self._server.port}/v1"
        if who == "go":
            return [*network, "wormhole-william", url, verb, "--hide-progress", what]
        relay = f"--transit-helper=tcp:{host}:{self._server.transit_port}"
        accept = [] if verb == "send" else ["--accept-file"]
        options = [verb, "--no-listen", "--hide-progress", *accept, what]
        return [*network, str(OURS / "wormhole"), url, relay, *options]


class _Client:
    """A client's process, whose output is read."""

    def __init__(self, command: Sequence[str], directory: Path, answer: str = "") -> None:
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(answer)
        self._process.stdin.close()
        self.output = ""

    def code(self) -> str | None:
        """Read up to the code; None: it ended without one."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line
            if found := _CODE.search(line):
                return found[1]
        return None

    def finish(self) -> int:
        """Wait for its end; returns its status."""
        assert self._process.stdout is not None
        self.output += self._process.stdout.read()
        return self._process.wait(_CLIENT_SECONDS)

    def end(self) -> None:
        """Kill it, if it has not ended."""
        self._process.kill()
        self._process.wait()


class _Beat:
    """A pair in the relay, of which one end sends a byte every few milliseconds."""

    def __init__(self, port: int) -> None:
        token = os.urandom(32).hex()
        self._ends = [socket.create_connection(("127.0.0.1", port), 60.0) for _ in range(2)]
        for side, end in zip("12", self._ends, strict=True):
            end.sendall(f"please relay {token} for side {side * 16}\n".encode())
        for end in self._ends:
            if end.recv(3, socket.MSG_WAITALL) != b"ok\n":
                raise BenchError("the relay does not pair")
        self._longest = 0.0
        self._sent = self._received = 0
        self._stopped = False
        self._threads = [threading.Thread(target=each) for each in (self._send, self._receive)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()
        if self._sent != self._received:
            raise BenchError(f"of the pair's {self._sent} bytes {self._received} have arrived")

    def longest(self) -> float:
        """The longest time between two bytes since the last call, in seconds."""
        longest, self._longest = self._longest, 0.0
        return longest

    def _send(self) -> None:
        while not self._stopped:
            self._sent += 1
            self._ends[0].sendall(b"x")
            time.sleep(_BEAT_SECONDS)
        self._ends[0].shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        before = time.monotonic()
        while data := self._ends[1].recv(65536):
            self._received += len(data)
            now = time.monotonic()
            self._longest = max(self._longest, now - before)
            before = now


@attrs.frozen
class _Link:
    """A network namespace with nothing but a link to this machine."""

    name: str
    place: int

    def commands(self) -> list[str]:
        """What makes it."""
        host, inside = f"wr{self.place}h", f"wr{self.place}c"
        return [
            f"ip netns add {self.name}",
            f"ip link add {host} type veth peer name {inside} netns {self.name}",
            f"ip address add 10.77.{self.place}.1/24 dev {host}",
            f"ip link set {host} up",
            f"ip -n {self.name} address add 10.77.{self.place}.2/24 dev {inside}",
            f"ip -n {self.name} link set {inside} up",
            f"ip -n {self.name} link set lo up",
            f"ip -n {self.name} route add default via 10.77.{self.place}.1",
        ]


@contextlib.contextmanager
def _networks() -> Iterator[list[str]]:
    """Two networks that reach this machine and not each other; their public relay is ours."""
    links = [_Link(f"bench-restarts-{place}", place) for place in (0, 1)]
    try:
        for link in links:
            hosts = Path("/etc/netns") / link.name / "hosts"
            hosts.parent.mkdir(parents=True, exist_ok=True)
            hosts.write_text("127.0.0.1 localhost\n10.77.0.1 transit.magic-wormhole.io\n")
            for command in link.commands():
                subprocess.run(command.split(), check=True)
        yield [link.name for link in links]
    finally:
        for link in links:
            subprocess.run(["ip", "netns", "del", link.name], check=False)
            shutil.rmtree(Path("/etc/netns") / link.name, ignore_errors=True)


if __name__ == "__main__":
    main()
