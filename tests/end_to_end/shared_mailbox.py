"""
Clients that share a mailbox over several servers, lose their connections all the time, and keep account.

Owns what each of them may rely on: what was echoed is there, once, and everybody reads the same order.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from websockets.exceptions import WebSocketException

from tests.end_to_end.processes import SECONDS, Server
from tests.end_to_end.sessions import Session

LOST = (OSError, EOFError, TimeoutError, WebSocketException)


class Member:
    """
    One side of the mailbox: adds numbered messages, on whichever server it gets hold of.

    :ivar echoed: how many of its messages have been confirmed.
    :ivar readings: what each of its connections has read, from the first message of the mailbox on.
    """

    def __init__(
        self, servers: Sequence[Server], mailbox: str, side: str, enough: Callable[[], bool]
    ) -> None:
        self.side = side
        self.echoed = 0
        self.readings: list[list[str]] = []
        self.failure: BaseException | None = None
        self._servers = servers
        self._mailbox = mailbox
        self._enough = enough
        self._dice = random.Random(side)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            while not self._enough():
                server = self._dice.choice(self._servers)
                with suppress(*LOST), Session(server.relay_url, self.side) as session:
                    try:
                        self._write(session)
                    finally:
                        self.readings.append(session.bodies())
        except BaseException as error:  # shown by the test
            self.failure = error

    def _write(self, session: Session) -> None:
        session.send("open", mailbox=self._mailbox)
        session.sync()
        if any(message["type"] == "error" for message in session.seen):
            # It is told so where nobody can tell whether it has the mailbox open.
            return
        # What was stored though its echo never came is not sent twice.
        stored = sum(body.startswith(self.side) for body in session.bodies())
        assert stored >= self.echoed, f"{self.side}: {self.echoed} were echoed, {stored} are there"
        self.echoed = stored
        while not self._enough():
            body = f"{self.side} {self.echoed:05}"
            session.send("add", phase="0", body=body)
            while (message := session.receive()).get("body") != body:
                if message["type"] == "error":
                    return
            self.echoed += 1
            # The window of a restart is what counts, not the number of messages.
            threading.Event().wait(0.02)


class SharedMailboxes:
    """Some mailboxes of two members each."""

    def __init__(self, servers: Sequence[Server], count: int) -> None:
        self._servers = servers
        self._done = threading.Event()
        self.mailboxes = {
            f"mailbox-{number}": [
                Member(servers, f"mailbox-{number}", side, self._done.is_set) for side in "ab"
            ]
            for number in range(count)
        }

    def wait_for_progress(self) -> None:
        """Until every member has had another message confirmed."""
        members = [member for pair in self.mailboxes.values() for member in pair]
        before = [member.echoed for member in members]
        for _ in range(int(SECONDS / 0.01)):
            if all(
                member.echoed > n or member.failure is not None
                for member, n in zip(members, before, strict=True)
            ):
                return
            self._done.wait(0.01)
        raise AssertionError("nobody gets any further")

    def stop(self) -> None:
        """Let nobody add any more."""
        self._done.set()
        for pair in self.mailboxes.values():
            for member in pair:
                member.thread.join(2 * SECONDS)

    def check(self) -> int:
        """Nothing was lost or repeated, and all have read the same order; how many there are."""
        total = 0
        for mailbox, members in self.mailboxes.items():
            stored = self._read(mailbox)
            assert len(set(stored)) == len(stored), "a message is there twice"
            for member in members:
                assert member.failure is None, member.failure
                own = [body for body in stored if body.startswith(member.side)]
                assert own == [f"{member.side} {number:05}" for number in range(len(own))]
                assert len(own) >= member.echoed
                for reading in member.readings:
                    assert reading == stored[: len(reading)], "not read in the order of the table"
            total += len(stored)
        return total

    def _read(self, mailbox: str) -> list[str]:
        """What every server has in the mailbox: the same."""
        found = []
        for server in self._servers:
            with Session(server.relay_url, "a") as session:
                session.send("open", mailbox=mailbox)
                session.sync()
                found.append(session.bodies())
        assert all(each == found[0] for each in found)
        return found[0]
