"""
Idle clients: a process of its own, which holds open mailboxes and answers pings.

Arguments: port, number of clients, clients on each mailbox (1 or 2), source address. Says `ready`
when every client's `open` has been acknowledged, then a line with the number of clients that are
still connected for each line that it reads; ends with its input.
"""

import os
import select
import sys

from bench.common import raise_file_limit
from bench.rendezvous.exchange import bind, command, new_side
from bench.rendezvous.wire import Connection, Loop, ServerMessage

_ARRIVING = 32  # a listen queue has room for 50
_PATIENCE_SECONDS = 900.0


class _Idler:
    def __init__(self, crowd: "Crowd", mailbox: str) -> None:
        self._crowd = crowd
        self._mailbox = mailbox
        self._missing = 2  # acks: of bind and open
        self._connection = Connection(crowd.loop, crowd.port, self, crowd.source)

    def opened(self) -> None:
        opening = command(f'{{"type":"open","mailbox":"{self._mailbox}","id":"%04x"}}')
        self._connection.send(bind(new_side()) + opening)

    def received(self, message: ServerMessage) -> None:
        if message.type == "ack":
            self._missing -= 1
            if not self._missing:
                self._crowd.settled += 1
        elif message.type == "error":
            sys.exit(f"an idle client was told {message.error!r}")

    def dropped(self) -> None:
        if self._missing:
            sys.exit("the server refused an idle client")
        self._crowd.dropped += 1


class Crowd:
    """All idle clients of this process."""

    def __init__(self, port: int, count: int, sides: int, source: str) -> None:
        self.loop = Loop()
        self.port = port
        self.source = source
        self.settled = 0
        self.dropped = 0
        self._count = count
        self._sides = sides
        self._clients: list[_Idler] = []

    def arrive(self) -> None:
        """Connect everybody, a few at a time."""
        if not self.loop.run(self._all_here, _PATIENCE_SECONDS):
            sys.exit(f"only {self.settled} of {self._count} idle clients got in")

    def stay(self) -> None:
        """Answer pings, and questions on the standard input, until that ends."""
        over: list[bool] = []

        def asked() -> None:
            if os.read(0, 1024):
                print(self.settled - self.dropped, flush=True)
            else:
                over.append(True)

        self.loop.watch(0, select.EPOLLIN | select.EPOLLHUP, asked)
        self.loop.run(lambda: bool(over), patience_seconds=1e9)

    def _all_here(self) -> bool:
        while len(self._clients) < min(self._count, self.settled + _ARRIVING):
            number = len(self._clients)
            # A server may have no more than two sides in a mailbox, whoever else runs here.
            mailbox = f"idle{self.source.replace('.', '')}{number // self._sides}"
            self._clients.append(_Idler(self, mailbox))
        return self.settled >= self._count


def main() -> None:
    """Hold the clients that the arguments ask for."""
    raise_file_limit()
    port, count, sides, source = sys.argv[1:]
    crowd = Crowd(int(port), int(count), int(sides), source)
    crowd.arrive()
    print("ready", flush=True)
    crowd.stay()


if __name__ == "__main__":
    main()
