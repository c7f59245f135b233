"""
A private server: real clients that know its path prefix, and some that do not.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.end_to_end.client_processes import ours, run_together
from tests.end_to_end.processes import (
    BIN,
    SECONDS,
    Program,
    Server,
    transfer,
    two_folders,
    wormhole,
)
from tests.end_to_end.sessions import Session

_SECRET = "s3cr3t"


def test_private(tmp_path: Path) -> None:
    """With the prefix everything works over it; without it there is nothing; nothing shows it."""
    there, here = two_folders(tmp_path)
    server = Server(f"sqlite:///{tmp_path / 'server.db'}", f"--path-prefix=/{_SECRET}")
    try:
        server.start()
        for path in ("v1", "transit"):
            with pytest.raises(InvalidStatus, match="404"):
                connect(f"ws://127.0.0.1:{server.web_port}/{path}", open_timeout=SECONDS)
            with pytest.raises(HTTPError, match="404"):
                server.get(f"/{path}")
        stranger = wormhole(server, "send", "--text", "hello", cwd=there)
        assert stranger.finish() == 1
        assert "ws:" not in server.get("/")

        server.path_prefix = f"/{_SECRET}"
        assert server.relay_url in server.get(f"/{_SECRET}/")
        (there / "file.bin").write_bytes(b"x" * 1_000_000)
        transfer(server, ["--no-listen", "file.bin"], ["--no-listen", "--accept-file"], there, here)
        assert (here / "file.bin").stat().st_size == 1_000_000
        options = [f"--relay-url={server.relay_url}", f"--transit-helper={server.transit_helper}"]
        websocket = f"--transit-websocket={server.transit_url}"
        check = ours("check", "--idle=1", "--size=100000", *options, websocket)
        [outcome] = run_together(check)
        assert outcome.status == 0, outcome.out
        assert "✔ relay over WebSocket" in outcome.out

        endpoints = server.command_line()[2:]
        doctor = Program([str(BIN / "wormhole-server"), "doctor", "--json", *endpoints])
        status = doctor.finish()
        levels = {each["check"]: each["level"] for each in json.loads(doctor.output)["checks"]}
        assert status == 0, doctor.output
        assert levels["upgrade"] == levels["client, relay, TCP to WebSocket"] == "ok"

        with Session(server.relay_url) as session:
            session.send_raw("nonsense")
            session.sync()
        with urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=SECONDS) as page:
            metrics = page.read().decode()
        server.stop(signal.SIGTERM)
        for shown in (server.output, metrics):
            assert _SECRET not in shown
    finally:
        server.kill()
