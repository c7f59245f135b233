"""
Permissions: real clients, and one that computes stamps, at a server that requires them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.end_to_end.client_processes import ours, run_together
from tests.end_to_end.processes import serving, wormhole
from tests.end_to_end.sessions import Session
from tests.wormhole_limits.fakes import mint

_MET = 'wormhole_process_bounds_met_total{bound="%s"}'
_REFUSED = "the server requires a hashcash stamp before 'bind'"


def _stamp(welcome: dict[str, Any]) -> str:
    required = welcome["permission-required"]["hashcash"]
    today = time.strftime("%y%m%d", time.gmtime())
    form = f"1:{required['bits']}:{today}:{required['resource']}::abc:{{:x}}"
    return mint(form, required["bits"])


def _answer(session: Session) -> str | None:
    """The error that answers what was sent before; None: there is none."""
    session.sync()
    errors = [message["error"] for message in session.seen if message["type"] == "error"]
    return errors[-1] if errors else None


def test_enforced(tmp_path: Path) -> None:
    """`wormhole` 0.24 says what is required and exits; a client with a stamp is served, once a stamp."""
    flags = ("--permission=hashcash", "--hashcash-bits=10")
    with serving(f"sqlite:///{tmp_path / 'server.db'}", *flags) as server:
        for command in (["send", "--text", "hello"], ["receive", "4-two-words"]):
            program = wormhole(server, *command, cwd=tmp_path)
            assert program.finish() == 1
            assert _REFUSED in program.output
        assert server.metrics()[_MET % "permission"] >= 2

        for kind in ("submit-permissions", "submit-permission"):
            with Session(server.relay_url) as session:
                stamp = _stamp(session.welcome)
                session.send(kind, method="hashcash", stamp=stamp)
                session.send("bind", appid="app", side="a")
                assert session.ask("claim", "claimed", nameplate="4")["mailbox"]
        with Session(server.relay_url) as session:
            session.send("submit-permissions", method="hashcash", stamp=stamp)
            assert "for another resource" in str(_answer(session))


def test_auto(tmp_path: Path) -> None:
    """Only an address that has met a bound is asked for a stamp, from then on."""
    flags = ("--permission=auto", "--hashcash-bits=10", "--connections-per-address=2")
    with serving(f"sqlite:///{tmp_path / 'server.db'}", *flags) as server:
        with Session(server.relay_url, "a") as session, Session(server.relay_url, "b") as other:
            assert "permission-required" not in session.welcome
            other.ask("claim", "claimed", nameplate="4")
            with pytest.raises(InvalidStatus, match="429"):
                Session(server.relay_url)
            # Whoever is connected goes on.
            other.ask("release", "released")
        with Session(server.relay_url) as session:
            session.send("submit-permissions", method="hashcash", stamp=_stamp(session.welcome))
            session.send("bind", appid="app", side="a")
            session.ask("claim", "claimed", nameplate="4")
        program = wormhole(server, "send", "--text", "hello", cwd=tmp_path)
        assert program.finish() == 1
        assert _REFUSED in program.output


def test_bundled_client(tmp_path: Path) -> None:
    """`wormhole-client` computes what is required, on every connection."""
    flags = ("--permission=hashcash", "--hashcash-bits=12")
    with serving(f"sqlite:///{tmp_path / 'server.db'}", *flags) as server:
        options = [f"--relay-url={server.relay_url}", f"--transit-helper={server.transit_helper}"]
        [outcome] = run_together(ours("check", "--idle=1", "--size=100000", *options))
        assert outcome.status == 0, outcome.out
        assert "requires a hashcash stamp of 12 bits" in outcome.out
        metrics = server.metrics()
        assert metrics[_MET % "permission"] == 0
        assert metrics['wormhole_rendezvous_commands_total{command="submit-permissions"}'] >= 5
