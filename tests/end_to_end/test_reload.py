"""
A configuration that changes while real clients are connected.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.end_to_end.processes import SECONDS, WAYS, Server, serving
from tests.end_to_end.sessions import Session
from wormhole_server.settings import OPTIONS


def _hang_up(server: Server) -> None:
    assert server.program is not None
    server.program.process.send_signal(signal.SIGHUP)


def _wait_for(server: Server, pattern: str) -> None:
    assert server.program is not None
    server.program.wait_for(pattern)


def _motd(server: Server) -> str | None:
    with Session(server.relay_url, "new") as session:
        motd: str | None = session.welcome.get("motd")
        return motd


@pytest.mark.parametrize("way", WAYS)
def test_hangup(way: str, tmp_path: Path) -> None:
    """SIGHUP changes what new clients are told; who is connected goes on, however it was started."""
    config = tmp_path / "server.toml"
    config.write_text('motd = "old"\n')
    server = Server(f"sqlite:///{tmp_path / 'server.db'}", f"--config={config}", command=WAYS[way])
    try:
        server.start()
        with Session(server.relay_url, "side") as session:
            assert session.welcome["motd"] == "old"
            config.write_text('motd = "new"\ndisallow-list = true\n')
            _hang_up(server)
            _wait_for(server, "changed motd, disallow-list")
            assert _motd(server) == "new"
            nameplate = session.ask("allocate", "allocated")["nameplate"]
            session.ask("claim", "claimed", nameplate=nameplate)
            assert session.ask("list", "nameplates")["nameplates"] == []
        metrics = server.metrics()
        assert metrics['wormhole_configuration_reloads_total{outcome="ok"}'] == 1
        assert "Traceback" not in server.output
    finally:
        server.kill()


def test_bad_value(tmp_path: Path) -> None:
    """One bad value keeps all that was in effect; the log says which, and a metric that there is one."""
    config = tmp_path / "server.toml"
    config.write_text('motd = "old"\n')
    with serving(f"sqlite:///{tmp_path / 'server.db'}", f"--config={config}") as server:
        loaded = server.metrics()["wormhole_configuration_loaded_timestamp_seconds"]
        config.write_text('motd = "new"\nnameplate-expiry = "soon"\n')
        _hang_up(server)
        _wait_for(server, "error .*kept what was in effect: nameplate-expiry in .*soon")
        assert _motd(server) == "old"
        metrics = server.metrics()
        assert metrics['wormhole_configuration_reloads_total{outcome="refused"}'] == 1
        assert metrics["wormhole_configuration_loaded_timestamp_seconds"] == loaded
        config.write_text('motd = "new"\nnameplate-expiry = "2h"\n')
        _hang_up(server)
        _wait_for(server, "changed nameplate-expiry, motd")
        assert _motd(server) == "new"


def test_file_changes(tmp_path: Path) -> None:
    """A file that is replaced is read again without a signal."""
    config = tmp_path / "server.toml"
    config.write_text('motd = "old"\n')
    with serving(f"sqlite:///{tmp_path / 'server.db'}", f"--config={config}") as server:
        other = tmp_path / "other.toml"
        other.write_text('motd = "new"\nlog-level = "debug"\ntransit-link = "producer"\n')
        os.replace(other, config)
        _wait_for(server, "changed motd, log-level")
        _wait_for(server, "what is new for transit-link takes effect at the next start")
        assert _motd(server) == "new"


def test_limits(tmp_path: Path) -> None:
    """New limits hold for who comes next: a relay connection that waits for too long is sent away."""
    config = tmp_path / "server.toml"
    config.write_text("")
    with serving(f"sqlite:///{tmp_path / 'server.db'}", f"--config={config}") as server:
        config.write_text('transit-wait-timeout = "1s"\n')
        _hang_up(server)
        _wait_for(server, "changed transit-wait-timeout")
        place = "127.0.0.1", server.transit_port
        with socket.create_connection(place, SECONDS) as waiting:
            waiting.sendall(b"please relay " + b"0" * 64 + b"\n")
            assert waiting.recv(100) == b""
        lonely = 'wormhole_relay_finished_connections_total{mood="lonely"}'
        while server.metrics()[lonely] != 1:
            pass


def test_hangup_without_anything_new(tmp_path: Path) -> None:
    """Without a configuration file SIGHUP is no end: it says that nothing has changed."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        _hang_up(server)
        _wait_for(server, "nothing has changed")
        assert server.get("/healthz")


# Another value than the default for each option that can be reloaded.
_OTHERS = {
    "advertise-version": '"1.2.3"',
    "allowed-origin": '["https://*.example.org"]',
    "blur-usage": '"1h"',
    "connection-limit": "1000",
    "connections-per-address": "100",
    "disallow-list": "true",
    "expiry-interval": '"30s"',
    "log-level": '"debug"',
    "mailbox-expiry": '"2d"',
    "message-size-limit": '"64KiB"',
    "motd": '"new"',
    "nameplate-expiry": '"2h"',
    "open-handshake-timeout": '"20s"',
    "proxy-header-timeout": '"3s"',
    "send-buffer-limit": '"1MiB"',
    "signal-error": '"closed"',
    "shutdown-delay": '"1s"',
    "shutdown-spread": '"1s"',
    "shutdown-timeout": '"1s"',
    "transit-drain-timeout": '"30s"',
    "transit-handshake-timeout": '"20s"',
    "transit-idle-timeout": '"2h"',
    "transit-keepalive-count": "4",
    "transit-keepalive-idle": '"60s"',
    "transit-keepalive-interval": '"20s"',
    "transit-wait-timeout": '"2h"',
    "trusted-proxy": '["192.0.2.0/24"]',
    "usage-retention": '"10d"',
    "websocket-ping-interval": '"30s"',
    "websocket-ping-timeout": '"90s"',
    "websocket-protocol-option": '["autoPingSize=20"]',
}


def test_everything_at_once(tmp_path: Path) -> None:
    """Whatever can be reloaded is taken, all together and back again, while a client is connected."""
    reloadable = [option.name for option in OPTIONS if option.reloadable]
    assert set(reloadable) == set(_OTHERS)
    config = tmp_path / "server.toml"
    config.write_text("")
    with (
        serving(f"sqlite:///{tmp_path / 'server.db'}", f"--config={config}") as server,
        Session(server.relay_url, "side") as session,
    ):
        config.write_text("".join(f"{name} = {value}\n" for name, value in _OTHERS.items()))
        _hang_up(server)
        _wait_for(server, f"changed {', '.join(reloadable)}\\.")
        session.ask("allocate", "allocated")
        with Session(server.relay_url, "new") as new:
            assert new.welcome["error"] == "closed"
        config.write_text("")
        _hang_up(server)
        _wait_for(server, f"(?s)(changed {', '.join(reloadable)}\\..*){{2}}")
        assert _motd(server) is None
        session.ask("list", "nameplates")
        assert "Traceback" not in server.output
