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
from wormhole_server.config.settings import OPTIONS


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
    """SIGHUP changes what new clients receive; existing connections go on, whichever way it was started."""
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
    """An invalid value changes nothing; the log names it, and a metric counts it."""
    config = tmp_path / "server.toml"
    config.write_text('motd = "old"\n')
    with serving(f"sqlite:///{tmp_path / 'server.db'}", f"--config={config}") as server:
        loaded = server.metrics()["wormhole_configuration_loaded_timestamp_seconds"]
        config.write_text('motd = "new"\nnameplate-expiry = "soon"\n')
        _hang_up(server)
        _wait_for(server, "error .*kept the previous values: nameplate-expiry in .*soon")
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
        _wait_for(server, "restart the server to apply the new values of transit-link")
        assert _motd(server) == "new"


def test_limits(tmp_path: Path) -> None:
    """New limits apply to new connections: a relay connection that waits for too long is closed."""
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
    """Without a configuration file SIGHUP does not end the server; the log says that nothing has changed."""
    with serving(f"sqlite:///{tmp_path / 'server.db'}") as server:
        _hang_up(server)
        _wait_for(server, "no value has changed")
        assert server.get("/healthz")


# Another value than the default for each option that can be reloaded.
_OTHERS = {
    "address-guess-limit": "20",
    "address-nameplate-limit": "50",
    "address-nameplate-rate": "30",
    "address-storage-limit": '"32MiB"',
    "advertise-version": '"1.2.3"',
    "allowed-origin": '["https://*.example.org"]',
    "blur-usage": '"1h"',
    "connection-limit": "1000",
    "connections-per-address": "100",
    "deny-list": '"/dev/null"',
    "disallow-list": "true",
    "disk-reserve": '"1MiB"',
    "expiry-interval": '"30s"',
    "hashcash-bits": "8",
    "log-level": '"debug"',
    "log-format": '"json"',
    "mailbox-expiry": '"2d"',
    "mailbox-listener-limit": "4",
    "mailbox-message-limit": "100",
    "mailbox-size-limit": '"1MiB"',
    "memory-limit": '"128MiB"',
    "message-size-limit": '"64KiB"',
    "message-timeout": '"30s"',
    "motd": '"new"',
    "nameplate-expiry": '"2h"',
    "open-handshake-timeout": '"20s"',
    "permission": '"auto"',
    "proxy-header-timeout": '"3s"',
    "send-buffer-limit": '"1MiB"',
    "shutdown-delay": '"1s"',
    "shutdown-spread": '"1s"',
    "shutdown-timeout": '"1s"',
    "signal-error": '"closed"',
    "transit-for": '"known"',
    "transit-waiting-per-address": "50",
    "transit-drain-timeout": '"30s"',
    "transit-handshake-timeout": '"20s"',
    "transit-idle-timeout": '"2h"',
    "transit-keepalive-count": "4",
    "transit-keepalive-idle": '"60s"',
    "transit-keepalive-interval": '"20s"',
    "transit-month-limit-per-address": '"1GiB"',
    "transit-rate": '"10MiB"',
    "transit-rate-per-address": '"5MiB"',
    "transit-rate-per-pair": '"1MiB"',
    "transit-wait-timeout": '"2h"',
    "trusted-proxy": '["192.0.2.0/24"]',
    "usage-retention": '"10d"',
    "websocket-ping-interval": '"30s"',
    "websocket-ping-timeout": '"90s"',
    "websocket-protocol-option": '["autoPingSize=20"]',
}


def test_everything_at_once(tmp_path: Path) -> None:
    """All options that can be reloaded change together and back again while a client is connected."""
    reloadable = [option.name for option in OPTIONS if option.reloadable]
    assert set(reloadable) == set(_OTHERS)
    config = tmp_path / "server.toml"
    config.write_text("")
    database = f"sqlite:///{tmp_path / 'server.db'}"
    with (
        # What the environment has set, a file does not change.
        serving(database, f"--config={config}", environment={}) as server,
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
