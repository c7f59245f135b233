"""The relay's bounds on a running server: who is refused, and what a restart remembers."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.end_to_end.processes import Server, serving
from tests.end_to_end.relay_peers import Peer, pair
from tests.end_to_end.sessions import Session

_USED_UP = b"refused: no bytes are left for this month\n"
_STRANGER = b"refused: your address has not used the rendezvous server lately\n"


def _relay(server: Server, byte_count: int) -> None:
    """Relay so many bytes."""
    first, second = pair(server.transit_port)
    first.send(bytes(byte_count))
    second.expect(bytes(byte_count))
    first.close()
    second.expect_end()
    second.close()


def test_month(tmp_path: Path) -> None:
    """When the bytes of a month are used up new connections are refused, after a restart as well."""
    with serving(f"sqlite:///{tmp_path / 'wormhole.db'}", "--transit-month-limit=100KiB") as server:
        _relay(server, 200_000)
        Peer(server.transit_port, "b", "1").expect(_USED_UP)
        server.stop(signal.SIGTERM)
        server.start()
        Peer(server.transit_port, "c", "1").expect(_USED_UP)
        assert server.metrics()['wormhole_process_bounds_met_total{bound="relay_bytes"}'] == 1


def test_known(tmp_path: Path) -> None:
    """A relay for known addresses refuses who has not been a client of the rendezvous server."""
    with serving(f"sqlite:///{tmp_path / 'wormhole.db'}", "--transit-for=known") as server:
        Peer(server.transit_port, "a", "1").expect(_STRANGER)
        with Session(server.relay_url, "side"):
            pass
        pair(server.transit_port)
