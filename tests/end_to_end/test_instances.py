"""
Several instances on one PostgreSQL: any of them, and PostgreSQL itself, may go away at any moment.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.end_to_end.processes import Server, serving, two_folders, wormhole
from tests.end_to_end.refusals import wait_until_ready
from tests.end_to_end.sessions import Session
from tests.end_to_end.shared_mailbox import SharedMailboxes
from tests.end_to_end.stores import StoppablePostgres, database

MAILBOXES = 3


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[list[Server]]:
    """Two on one database."""
    with ExitStack() as stack:
        url = stack.enter_context(database("postgres", tmp_path))
        yield [stack.enter_context(serving(url)) for _ in range(2)]


def kill_in_turn(instances: list[Server], kills: int) -> int:
    """Kill one instance after the other under load; how many messages got through meanwhile."""
    dice = random.Random(5)
    shared = SharedMailboxes(instances, MAILBOXES)
    try:
        for kill in range(kills):
            shared.wait_for_progress()
            time.sleep(dice.uniform(0, 0.05))
            instance = instances[kill % len(instances)]
            instance.kill()
            instance.start()
        shared.wait_for_progress()
    finally:
        shared.stop()
    total = shared.check()
    for instance in instances:
        assert "Traceback" not in instance.output
    return total


def stop_postgres_hard(stops: int) -> int:
    """Stop the database of two instances under load, again and again; the messages meanwhile."""
    dice = random.Random(6)
    postgres = StoppablePostgres()
    try:
        with serving(postgres.url) as one, serving(postgres.url) as other:
            shared = SharedMailboxes([one, other], MAILBOXES)
            processes = [server.program for server in (one, other)]
            try:
                for _ in range(stops):
                    shared.wait_for_progress()
                    time.sleep(dice.uniform(0, 0.05))
                    postgres.stop_hard()
                    with pytest.raises(HTTPError, match="503"):
                        one.get("/readyz")
                    postgres.start()
                    wait_until_ready(one)
                    wait_until_ready(other)
                shared.wait_for_progress()
            finally:
                shared.stop()
            total = shared.check()
            # It is they who have come through it, not others in their place.
            assert [server.program for server in (one, other)] == processes
            for server in (one, other):
                assert "Traceback" not in server.output
    finally:
        postgres.close()
    return total


def test_repeated_elsewhere(instances: list[Server]) -> None:
    """What a client repeats on another instance is stored once: it gets its echo, and its peer nothing."""
    one, other = instances
    version = {"phase": "version", "body": "00"}
    with Session(one.relay_url, "b") as peer:
        peer.send("open", mailbox="box")
        with Session(one.relay_url, "a") as lost:
            lost.send("open", mailbox="box")
            lost.send("add", id="first", **version)
            lost.next("message")
        with Session(other.relay_url, "a") as back:
            back.send("open", mailbox="box")
            back.sync()
            back.send("add", id="second", **version)
            back.send("add", phase="0", body="01")
            for body, given in (("00", "first"), ("01", None)):
                echo = back.next("message")
                assert (echo["body"], echo["id"]) == (body, given)
            assert back.bodies() == ["00", "00", "01"]
            while "01" not in peer.bodies():
                peer.next("message")
            assert peer.bodies() == ["00", "01"]


def test_killed_in_turn(instances: list[Server]) -> None:
    """Nothing that was echoed is lost, nothing is there twice, and all read one order."""
    assert kill_in_turn(instances, 6) > 50


def test_postgres_stopped_hard() -> None:
    """Instances outlive their database, say that they are not ready meanwhile, and lose nothing."""
    assert stop_postgres_hard(3) > 20


def test_clients_stay_connected() -> None:
    """A command that comes while the database is away waits for it; the connection stays."""
    postgres = StoppablePostgres()
    try:
        with serving(postgres.url) as server, Session(server.relay_url, "a") as session:
            session.ask("claim", "claimed", nameplate="7")
            postgres.stop_hard()
            session.send("claim", nameplate="7")
            session.send("open", mailbox="box")
            session.send("add", phase="0", body="00")
            back = threading.Timer(1.0, postgres.start)
            back.start()
            assert session.next("message")["body"] == "00"
            back.join()
    finally:
        postgres.close()


def test_two_ends_of_an_exchange(instances: list[Server], tmp_path: Path) -> None:
    """The real `wormhole` sends through one instance and receives through the other."""
    there, here = two_folders(tmp_path)
    (there / "file.bin").write_bytes(random.Random(1).randbytes(300_000))
    for send, receive in ((0, 1), (1, 0)):
        sender = wormhole(instances[send], "send", "--hide-progress", "file.bin", cwd=there)
        receiver = None
        try:
            code = sender.wait_for(r"Wormhole code is: (\S+)")[1]
            receiver = wormhole(
                instances[receive], "receive", "--hide-progress", "--accept-file", code, cwd=here
            )
            statuses = receiver.finish(), sender.finish()
        finally:
            sender.end()
            if receiver is not None:
                receiver.end()
        assert statuses == (0, 0), f"{sender.output}\n{receiver.output}"
        assert (here / "file.bin").read_bytes() == (there / "file.bin").read_bytes()
        (here / "file.bin").unlink()


def test_told_at_once(instances: list[Server]) -> None:
    """A message gets from one instance's client to the other's without being asked for, quickly."""
    with (
        Session(instances[0].relay_url, "a") as one,
        Session(instances[1].relay_url, "b") as other,
    ):
        for session in (one, other):
            session.send("open", mailbox="box")
            session.sync()
        took = []
        for number in range(30):
            began = time.monotonic()
            one.send("add", phase="0", body=str(number))
            assert other.next("message")["body"] == str(number)
            took.append(time.monotonic() - began)
            assert one.next("message")["body"] == str(number)
        assert sorted(took)[len(took) // 2] < 0.25
