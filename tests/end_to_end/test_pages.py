"""The pages for people, of real servers: over TLS, on several instances, after a restart."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.certificates import Authority
from tests.end_to_end.processes import BIN, SECONDS, Program, Server, serving
from tests.end_to_end.sessions import Session
from tests.end_to_end.stores import STORES, database

_MOODS = {"happy", "lonely", "scary", "errory", "crowded", "pruney"}


def _exchange(server: Server, mailbox: str, mood: str) -> None:
    """Two sides meet, and part."""
    with Session(server.relay_url, "a") as one, Session(server.relay_url, "b") as other:
        for side in (one, other):
            side.send("open", mailbox=mailbox)
            side.sync()
        for side in (one, other):
            side.ask("close", "closed", mailbox=mailbox, mood=mood)


def _status(server: Server) -> Any:
    return json.loads(server.get("/status.json"))


@pytest.mark.parametrize("store", STORES)
def test_days_survive(store: str, tmp_path: Path) -> None:
    """Days are there after a restart, and on every instance; minutes are the process's own."""
    with database(store, tmp_path) as url:
        with serving(url) as server:
            _exchange(server, "one", "happy")
            _exchange(server, "two", "scary")
            found = _status(server)
            for span in ("minutes", "hours", "days"):
                ended = found[span]["total"]["exchanges"]
                assert ended == {**dict.fromkeys(_MOODS, 0), "happy": 1, "scary": 1}, span
            if store == "postgres":
                with serving(url) as another:
                    assert _status(another)["days"]["total"] == found["days"]["total"]
            server.stop()
            server.start()
            again = _status(server)
        assert again["days"]["total"] == found["days"]["total"]
        assert sum(again["hours"]["total"]["exchanges"].values()) == 0


def test_turned_off(tmp_path: Path) -> None:
    """With --no-status-page there is none; the greeting does not lead there."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}", "--no-status-page") as server:
        with pytest.raises(OSError, match="404"):
            server.get("/status")
        assert "/status" not in server.get("/")


def test_over_tls(tmp_path: Path) -> None:
    """Somebody who has come through TLS is given commands that do."""
    authority = Authority()
    authority.issue().write(tmp_path)
    key, chain = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    program = Program(
        [
            str(BIN / "wormhole-server"),
            "run",
            f"--rendezvous=ssl:0:privateKey={key}:certKey={chain}:interface=127.0.0.1",
            "--transit=tcp:0:interface=127.0.0.1",
            "--metrics=none",
            f"--database=sqlite:///{tmp_path / 'server.db'}",
        ]
    )
    try:
        port = program.wait_for(r"--relay-url=wss://127\.0\.0\.1:(\d+)/v1")[1]
        context: ssl.SSLContext = authority.client_context()
        with urlopen(f"https://localhost:{port}/", timeout=SECONDS, context=context) as page:
            words = page.read().decode()
    finally:
        program.end()
    assert f"wormhole --relay-url=wss://localhost:{port}/v1 --transit-helper=tcp:" in words
