"""
A deny list that changes while clients are connected.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.end_to_end.processes import Server, serving, wormhole
from tests.end_to_end.relay_clients import TcpPeer
from tests.end_to_end.sessions import Session

_DENIED = 'wormhole_process_bounds_met_total{bound="denied"}'


def _hang_up(server: Server, until: str) -> None:
    assert server.program is not None
    server.program.process.send_signal(signal.SIGHUP)
    server.program.wait_for(until)


def test_reload(tmp_path: Path) -> None:
    """An address that gets on the list is refused everywhere with its message, until it is off again."""
    path = tmp_path / "deny"
    path.write_text("# nobody yet\n")
    with serving(f"sqlite:///{tmp_path / 'server.db'}", f"--deny-list={path}") as server:
        session = Session(server.relay_url, "a")
        session.ask("claim", "claimed", nameplate="4")
        path.write_text("127.0.0.0/8 Write to abuse@example.org.\n")
        _hang_up(server, "Deny list: 1 networks are refused")
        # Reset, without a close frame.
        assert session.close_code() == 1006

        for send in (["send", "--text", "hello"], ["receive", "4-two-words"]):
            program = wormhole(server, *send, cwd=tmp_path)
            assert program.finish() == 1
            assert "Write to abuse@example.org." in program.output
        with pytest.raises(HTTPError, match="403") as refused:
            server.get("/")
        assert refused.value.read() == b"Write to abuse@example.org.\n"
        assert "alive" in server.get("/healthz")
        assert TcpPeer(server.transit_port).receive_all() == b""
        assert server.metrics()[_DENIED] >= 4

        path.write_text("127.0.0.0/8 Write\n192.0.2.0/255.255.255.0\n")
        _hang_up(server, f"kept the previous one: deny-list: {path}, line 2: ")
        with Session(server.relay_url) as denied:
            assert denied.welcome["error"] == "Write to abuse@example.org."
        reloads = 'wormhole_configuration_deny_list_reloads_total{outcome="%s"}'
        assert server.metrics()[reloads % "refused"] == 1

        # Replaced without a signal.
        other = tmp_path / "other"
        other.write_text("192.0.2.0/24\n10.0.0.0/8\n")
        os.replace(other, path)
        assert server.program is not None
        server.program.wait_for("Deny list: 2 networks are refused")
        with Session(server.relay_url, "a") as session:
            assert "error" not in session.welcome
            session.ask("claim", "claimed", nameplate="4")
        for secret in ("127.0.0.0", "abuse@example.org"):
            assert secret not in server.output
        assert "Traceback" not in server.output
