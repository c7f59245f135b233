"""
A server behind Debian's pgbouncer: session mode works, everything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.end_to_end.processes import BIN, Program, Server, serving, until
from tests.end_to_end.refusals import is_ready, not_ready, wait_until_ready
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import database
from tests.system.poolers import pgbouncer


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[str]:
    """An empty database, without a pooler."""
    with database("postgres", tmp_path) as url:
        yield url


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_refused(direct: str, mode: str) -> None:
    """A pooler that shares sessions is refused in one line, and the doctor names it."""
    with pgbouncer(direct, mode) as url:
        program = Program(Server(url).command_line())
        assert program.finish() == 1
        (line,) = re.findall("^wormhole-server: .*$", program.output, re.MULTILINE)
        assert "Traceback" not in program.output
        assert "behind a pooler" in line
        assert "pool_mode=session" in line
        with serving(direct):
            doctor = Program([str(BIN / "wormhole-server"), "doctor", f"--database={url}"])
            assert doctor.finish() == 1
        assert "behind a pooler" in doctor.output
        assert "pool_mode=session" in doctor.output


def test_refused_later(direct: str) -> None:
    """A pooler that shares sessions and takes the place of one that does not: not ready, and why."""
    with ExitStack() as places:
        with pgbouncer(direct, "session") as url:
            server = places.enter_context(serving(url))
            assert "ready" in server.get("/readyz")
        port = sa.make_url(url).port or 0
        assert server.program is not None
        with pgbouncer(direct, "transaction", port=port):
            until(lambda: not is_ready(server) and "behind a pooler" in server.output)
            server.program.wait_for(
                "cannot be used: it is behind a pooler that .*; set pool_mode=session"
            )
            not_ready(server)
        with pgbouncer(direct, "session", port=port):
            wait_until_ready(server)
            with Session(server.relay_url, "a") as session:
                session.ask("allocate", "allocated")
        assert "Traceback" not in server.output


# The second leaves what a client has prepared to the next one.
@pytest.mark.parametrize("more", ["", "server_reset_query = "])
def test_session_mode(direct: str, more: str) -> None:
    """In session mode instances start one after the other, and clients of both exchange messages."""
    with pgbouncer(direct, "session", more) as url:
        for _ in range(3):
            with serving(url) as one, serving(url) as other:
                with (
                    Session(one.relay_url, "a") as sender,
                    Session(other.relay_url, "b") as receiver,
                ):
                    for session in (sender, receiver):
                        session.send("open", mailbox="box")
                    for phase in ("0", "1", "2"):
                        sender.send("add", phase=phase, body="00")
                        assert receiver.next("message")["phase"] == phase
                    sender.ask("close", "closed", mood="happy")
                    receiver.ask("close", "closed", mood="happy")
                for server in (one, other):
                    assert "Traceback" not in server.output
