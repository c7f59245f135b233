"""
The server is killed again and again while clients use it: what it has answered is there afterwards.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from tests.end_to_end.processes import Server
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import STORES, database

KILLS = 8
WRITERS = 3
_LOST = (OSError, EOFError, TimeoutError, WebSocketException)


class Writer:
    """
    Adds numbered messages to a mailbox of its own; reconnects and repeats what has not been echoed.

    :ivar echoed: the messages that the server has confirmed, in the order of their numbers.
    """

    def __init__(self, server: Server, name: int, enough: Callable[[], bool]) -> None:
        self.mailbox = f"mailbox-{name}"
        self.side = f"side-{name}"
        self.echoed: list[str] = []
        self.failure: BaseException | None = None
        self._server = server
        self._enough = enough
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            while not self._enough():
                with suppress(*_LOST), Session(self._server.relay_url, self.side) as session:
                    self._write(session)
        except BaseException as error:  # shown by the test
            self.failure = error

    def _write(self, session: Session) -> None:
        session.send("open", mailbox=self.mailbox)
        session.sync()
        # What was stored though its echo never came is not sent twice.
        self.echoed = session.bodies()
        while not self._enough():
            body = f"{len(self.echoed):04}"
            session.send("add", phase=body, body=body)
            assert session.next("message")["body"] == body
            self.echoed.append(body)


@pytest.mark.parametrize("store", STORES)
def test_killed_again_and_again(store: str, tmp_path: Path) -> None:
    """Every message that was echoed is there after the kills, once, in order; nameplates too."""
    dice = random.Random(7)
    with database(store, tmp_path) as url:
        server = Server(url)
        server.start()
        done = threading.Event()
        writers: list[Writer] = []
        try:
            with Session(server.relay_url, "steady") as session:
                nameplate = session.ask("allocate", "allocated")["nameplate"]
                mailbox = session.ask("claim", "claimed", nameplate=nameplate)["mailbox"]
            writers = [Writer(server, name, done.is_set) for name in range(WRITERS)]
            for kill in range(KILLS):
                before = [len(writer.echoed) for writer in writers]
                # Not before everybody has got further, then at any moment.
                while any(
                    len(writer.echoed) <= n and writer.failure is None
                    for writer, n in zip(writers, before, strict=True)
                ):
                    done.wait(0.005)
                done.wait(dice.uniform(0, 0.05))
                server.kill()
                server.start()
                with Session(server.relay_url, "steady") as session:
                    again = session.ask("claim", "claimed", nameplate=nameplate)
                    assert again["mailbox"] == mailbox, f"after kill {kill}"
        finally:
            done.set()
            for writer in writers:
                writer.thread.join()
        try:
            for writer in writers:
                assert writer.failure is None, writer.failure
                with Session(server.relay_url, writer.side) as session:
                    session.send("open", mailbox=writer.mailbox)
                    session.sync()
                    while len(session.bodies()) < len(writer.echoed):
                        session.receive()
                    stored = session.bodies()
                # The last one may have been stored without its echo having been seen.
                assert stored[: len(writer.echoed)] == writer.echoed
                assert stored == [f"{number:04}" for number in range(len(stored))]
            assert "Traceback" not in server.output
        finally:
            server.kill()


@pytest.mark.parametrize("store", STORES)
def test_killed_at_every_step_of_an_exchange(store: str, tmp_path: Path) -> None:
    """Two clients that reconnect and repeat their commands after every step reach the end."""
    with database(store, tmp_path) as url:
        server = Server(url)
        server.start()
        try:
            exchange = Exchange(server)
            for step in exchange.steps:
                step()
                server.kill()
                server.start()
            # Twice, as clients do that never saw the answer.
            for step in exchange.steps[-2:]:
                step()
            with Session(server.relay_url, "watcher", "exchange") as session:
                assert session.ask("list", "nameplates")["nameplates"] == []
        finally:
            server.kill()


class Exchange:
    """Two clients, each step on a new connection, as after a reconnect."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._nameplate = self._mailbox = ""
        self.steps = [
            self._allocate,
            lambda: self._claim("a"),
            lambda: self._add("a", "pake", ["aa"]),
            lambda: self._claim("b"),
            lambda: self._add("b", "pake", ["aa", "bb"]),
            lambda: self._add("a", "version", ["aa", "bb", "aa"]),
            lambda: self._release("a"),
            lambda: self._release("b"),
            lambda: self._add("b", "version", ["aa", "bb", "aa", "bb"]),
            lambda: self._close("a"),
            lambda: self._close("b"),
        ]

    def _session(self, side: str) -> Session:
        return Session(self._server.relay_url, side, "exchange")

    def _allocate(self) -> None:
        with self._session("a") as session:
            self._nameplate = session.ask("allocate", "allocated")["nameplate"]

    def _claim(self, side: str) -> None:
        with self._session(side) as session:
            claimed = session.ask("claim", "claimed", nameplate=self._nameplate)["mailbox"]
            assert self._mailbox in {"", claimed}
            self._mailbox = claimed

    def _add(self, side: str, phase: str, expected: list[str]) -> None:
        with self._session(side) as session:
            session.send("open", mailbox=self._mailbox)
            session.send("add", phase=phase, body=side * 2)
            while len(session.bodies()) < len(expected):
                session.receive()
            assert session.bodies() == expected

    def _release(self, side: str) -> None:
        with self._session(side) as session:
            session.ask("release", "released", nameplate=self._nameplate)

    def _close(self, side: str) -> None:
        with self._session(side) as session:
            session.ask("close", "closed", mailbox=self._mailbox, mood="happy")
