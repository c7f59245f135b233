"""
What clients and load balancers hear of a server whose database takes nothing.
"""

from __future__ import annotations

import time
from urllib.error import HTTPError

import pytest

from tests.end_to_end.processes import Server
from tests.end_to_end.sessions import Session

_REFUSED = {
    "the server cannot use its database at the moment, try again later",
    "the server's disk is nearly full, try again later",
}


def add_until_refused(session: Session) -> list[str]:
    """Add messages until one is refused; the bodies of those that were stored."""
    stored: list[str] = []
    while True:
        body = f"{len(stored):06}" * 1000
        session.send("add", phase=str(len(stored)), body=body)
        while (message := session.receive())["type"] == "ack":
            pass
        if message["type"] == "error":
            assert message["error"] in _REFUSED
            return stored
        assert message["body"] == body
        stored.append(body)


def refused(session: Session, kind: str, **keys: str) -> None:
    """The command is refused in so many words, and the connection stays."""
    assert session.ask(kind, "error", **keys)["error"] in _REFUSED


def not_ready(server: Server) -> str:
    """What `/readyz` says to whoever is not to be sent there."""
    with pytest.raises(HTTPError, match="503") as error:
        server.get("/readyz")
    return str(error.value.read().decode())


def is_ready(server: Server) -> bool:
    """Whether `/readyz` has clients sent there."""
    try:
        server.get("/readyz")
    except HTTPError:
        return False
    return True


def wait_until_ready(server: Server, *, ready: bool = True) -> None:
    """Ask `/readyz`, as a load balancer does, until it says so, or with `ready=False` that it is not."""
    deadline = time.monotonic() + 30.0
    while is_ready(server) != ready:
        assert time.monotonic() < deadline, server.output
        time.sleep(0.05)
