"""
A rendezvous client for tests: blocking, small, on another WebSocket implementation than the server's.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.end_to_end.processes import SECONDS


class Session:
    """
    One connection. Messages that nobody asked for yet wait in `seen`.

    :param options: for `websockets`, such as `additional_headers`.
    :ivar seen: every message that came, in order, acknowledgements and the welcome left out.
    """

    def __init__(self, url: str, side: str | None = None, app: str = "app", **options: Any) -> None:
        self._socket = connect(
            url,
            open_timeout=SECONDS,
            ping_interval=None,
            max_size=None,
            compression=None,
            proxy=None,
            legacy=True,
            **options,
        )
        self.seen: list[dict[str, Any]] = []
        self._taken = 0
        self.welcome = self.next("welcome")["welcome"]
        if side is not None:
            self.send("bind", appid=app, side=side)

    def send(self, kind: str, **keys: Any) -> None:
        """One command."""
        self.send_raw(json.dumps({"type": kind, **keys}))

    def send_raw(self, payload: str | bytes) -> None:
        """Anything."""
        self._socket.send(payload)

    def receive(self) -> dict[str, Any]:
        """The next message, whatever it is."""
        message: dict[str, Any] = json.loads(self._socket.recv(SECONDS))
        if message["type"] != "ack":
            self.seen.append(message)
        return message

    def next(self, kind: str) -> dict[str, Any]:
        """The next message of that kind which has not been returned yet."""
        while True:
            while self._taken < len(self.seen):
                message = self.seen[self._taken]
                self._taken += 1
                if message["type"] == kind:
                    return message
            self.receive()

    def ask(self, kind: str, answer: str, **keys: Any) -> dict[str, Any]:
        """A command, and its answer."""
        self.send(kind, **keys)
        return self.next(answer)

    def sync(self) -> None:
        """Returns when everything that was sent before has been answered."""
        self.ask("ping", "pong", ping=0)

    def bodies(self) -> list[str]:
        """The bodies of all messages of the mailbox that came."""
        return [message["body"] for message in self.seen if message["type"] == "message"]

    def close_code(self) -> int:
        """Read on until the server closes; the code that it gives."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
