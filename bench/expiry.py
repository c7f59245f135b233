"""
`python -m bench.expiry`: what a sweep over 100,000 expired mailboxes costs everybody else.

Fills a SQLite file with nameplates and mailboxes that nobody has used for a day, two messages each, and
starts our server on it. A client adds messages before and during the sweep: what is shown is how long it
waits for each to come back, how long the sweep takes, and how late the reactor's timers are meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from bench.common import (
    BOUNDS_OUT_OF_REACH,
    ServerProcess,
    free_port,
    percentile,
    print_table,
    say,
    scratch,
)

_SERVER = Path(sys.executable).parent / "wormhole-server"
_LEFT = "wormhole_rendezvous_live_mailboxes"
_LAG = "wormhole_process_reactor_lag_seconds_bucket"
_DAY_SECONDS = 86400.0


def main() -> None:
    """Run it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=100_000)
    count: int = parser.parse_args().mailboxes
    with scratch() as directory:
        database = directory / "expiry.db"
        with _serving(database, "none"):
            pass
        say(f"fill {count:,} mailboxes")
        _fill(database, count)
        with _serving(database, "2s") as (web, metrics):
            before = _delays(web, 300)
            began = time.perf_counter()
            during: list[float] = []
            while (left := _metrics(metrics)[_LEFT]) > 1:
                say(f"{left:,.0f} left")
                during += _delays(web, 300)
            took = time.perf_counter() - began
            lag = _worst_lag(_metrics(metrics))
    rows = [
        (name, *(f"{percentile(delays, share) or 0:.2f}" for share in (0.5, 0.99, 1.0)))
        for name, delays in (("before", before), ("during the sweep", during))
    ]
    print_table("add to message, ms", ("", "p50", "p99", "longest"), rows)
    print(f"{count:,} mailboxes went in {took:.0f} s; no timer was later than {lag:g} s")


@contextmanager
def _serving(database: Path, interval: str) -> Iterator[tuple[int, int]]:
    web, metrics = free_port(), free_port()
    command = [
        str(_SERVER),
        "run",
        f"--rendezvous=tcp:{web}:interface=127.0.0.1",
        "--transit=none",
        f"--metrics=tcp:{metrics}:interface=127.0.0.1",
        f"--database=sqlite:///{database}",
        *BOUNDS_OUT_OF_REACH,
    ]
    if interval != "none":
        command += [f"--expiry-interval={interval}"]
    with ServerProcess("ours", command, web, database.parent / "server.log"):
        # Its port is open before its database is.
        _metrics(metrics)
        yield web, metrics


def _fill(database: Path, count: int) -> None:
    old = time.time() - 2 * _DAY_SECONDS
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO mailboxes (app, mailbox, nameplate, first_side, first_open, second_open,"
            " crowded, created, used) VALUES ('app', ?, ?, 'a', 1, 0, 0, ?, ?)",
            ((f"box-{n}", str(n), old, old + n * 1e-3) for n in range(count)),
        )
        connection.executemany(
            "INSERT INTO nameplates (app, digits, name, mailbox, first_side, first_released,"
            " second_released, crowded, created, used) VALUES ('app', ?, ?, ?, 'a', 0, 0, 0, ?, ?)",
            ((len(str(n)), str(n), f"box-{n}", old, old + n * 1e-3) for n in range(count)),
        )
        for number in (1, 2):
            connection.execute(
                "INSERT INTO messages SELECT id, ?, 'a', 'pake', '00', '\"x\"', ? FROM mailboxes",
                (number, old),
            )


def _delays(port: int, messages: int) -> list[float]:
    """How long each message of a client takes to come back to it, in ms."""
    delays = []
    with connect(f"ws://127.0.0.1:{port}/v1", legacy=True, proxy=None) as client:
        client.send(json.dumps({"type": "bind", "appid": "probe", "side": "probe"}))
        client.send(json.dumps({"type": "open", "mailbox": "probe"}))
        for number in range(messages):
            began = time.perf_counter()
            client.send(json.dumps({"type": "add", "phase": f"p{began}-{number}", "body": "00"}))
            _wait_for(client, f"p{began}-{number}")
            delays.append(1000 * (time.perf_counter() - began))
            time.sleep(0.003)
        client.send(json.dumps({"type": "close"}))
        while json.loads(client.recv())["type"] != "closed":
            pass
    return delays


def _wait_for(client: ClientConnection, phase: str) -> None:
    while json.loads(client.recv()).get("phase") != phase:
        pass


def _metrics(port: int) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def _worst_lag(metrics: dict[str, float]) -> float:
    """The bound of the last bucket of the histogram that something fell into, in seconds."""
    buckets = [(name, value) for name, value in metrics.items() if name.startswith(_LAG)]
    total = buckets[-1][1]
    return next(float(name.split('"')[1]) for name, value in buckets if value == total)


if __name__ == "__main__":
    main()
