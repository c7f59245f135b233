"""
Transfers of the browser client that fail, in every state: what each end is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Program, Server, serving, wormhole
from tests.end_to_end.sessions import Session
from tests.web.web_clients import WebClient, endless_file, failure, reach, web_client
from wormhole_client.transfers.messages import APPID


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all of them."""
    folder = tmp_path_factory.mktemp("server")
    with serving(f"sqlite:///{folder / 'server.db'}") as running:
        yield running


@pytest.fixture
def sender(server: Server) -> Iterator[WebClient]:
    """A browser that sends."""
    with web_client(server, verify=True) as client:
        yield client


@pytest.fixture
def receiver(server: Server) -> Iterator[WebClient]:
    """A browser that receives."""
    with web_client(server, verify=True) as client:
        yield client


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A file that takes its time."""
    return endless_file(tmp_path / "file.bin")


@pytest.mark.parametrize("who", ["sender", "receiver"])
@pytest.mark.parametrize("state", ["version-ok", "deciding", "moving"])
def test_cancel(
    state: str, who: str, sender: WebClient, receiver: WebClient, content: Path, tmp_path: Path
) -> None:
    """A cancel ends both, in every state; the other end is told; nothing is left behind."""
    reach(state, sender, receiver, content, tmp_path)
    here, there = (sender, receiver) if who == "sender" else (receiver, sender)
    here.say(type="cancel")
    assert failure(here) == "cancelled"
    assert there.outcome()["text"] == "the transfer was cancelled at this end"
    assert failure(there) == "peer-error"
    assert not (tmp_path / "received").exists()


def test_cancel_alone(server: Server, sender: WebClient, content: Path, tmp_path: Path) -> None:
    """A sender that cancels before anybody came leaves nothing on the server."""
    reach("waiting-for-peer", sender, sender, content, tmp_path)
    sender.say(type="cancel")
    assert failure(sender) == "cancelled"
    with web_client(server) as other:
        other.say(type="list-nameplates")
        assert (
            sender.code().partition("-")[0] not in other.wait_for(type="nameplates")["nameplates"]
        )


def test_cancel_at_once(server: Server) -> None:
    """A cancel before anything else is one, too."""
    with web_client(server) as client:
        client.say(type="cancel")
        assert failure(client) == "cancelled"


def test_cancelled_for_wormhole(server: Server, content: Path) -> None:
    """`wormhole` reports that the browser cancelled while its user was asked."""
    program = wormhole(server, "send", content.name, cwd=content.parent)
    with web_client(server) as client:
        client.receive(program.wait_for(r"Wormhole code is: (\S+)")[1])
        client.wait_for(type="offer")
        client.say(type="cancel")
        assert failure(client) == "cancelled"
        assert program.finish() != 0
        assert "cancelled at this end" in program.output


def test_declined(sender: WebClient, receiver: WebClient, content: Path, tmp_path: Path) -> None:
    """An offer that the user declines is rejected at the other end."""
    reach("deciding", sender, receiver, content, tmp_path)
    receiver.say(type="reject")
    assert failure(receiver) == "declined"
    assert failure(sender) == "rejected"


def test_declined_to_wormhole(server: Server, content: Path) -> None:
    """`wormhole` reports the rejection."""
    program = wormhole(server, "send", content.name, cwd=content.parent)
    with web_client(server) as client:
        client.receive(program.wait_for(r"Wormhole code is: (\S+)")[1])
        client.wait_for(type="offer")
        client.say(type="reject")
        assert failure(client) == "declined"
        assert program.finish() != 0
        assert "transfer rejected" in program.output


def test_declined_by_wormhole(server: Server, content: Path, tmp_path: Path) -> None:
    """A user of `wormhole` who says no rejects the offer."""
    with web_client(server) as client:
        command = wormhole(server, "receive", client.send(content).code(), cwd=tmp_path)
        command.end()
    with web_client(server) as client:
        options = [f"--relay-url={server.relay_url}", f"--transit-helper={server.transit_helper}"]
        path = str(Path(command.process.args[0]))  # type: ignore[index, arg-type]
        code = client.send(content).code()
        Program([path, *options, "receive", code], cwd=tmp_path, answer="n\n").finish()
        assert failure(client) == "rejected"


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_wrong_code(server: Server, who: str, tmp_path: Path) -> None:
    """A wrong code fails at both ends, and `wormhole` blames it."""
    # Not one that the server chooses for another test.
    nameplate = {"sender": 4101, "receiver": 4102}[who]
    right, wrong = f"{nameplate}-bravado-waffle", f"{nameplate}-bravado-zulu"
    with web_client(server) as client:
        if who == "sender":
            client.send("text", right).wait_for(state="waiting-for-peer")
            program = wormhole(server, "receive", wrong, cwd=tmp_path)
        else:
            program = wormhole(server, "send", "--text=text", f"--code={wrong}", cwd=tmp_path)
            program.wait_for("wormhole receive 4")
            client.receive(right)
        assert failure(client) == "wrong-code"
        assert program.finish() != 0
        assert "code" in program.output


def test_crowded(server: Server) -> None:
    """A third end is refused."""
    with (
        Session(server.relay_url, "a", APPID) as one,
        Session(server.relay_url, "b", APPID) as other,
    ):
        for each in (one, other):
            each.ask("claim", "claimed", nameplate="4177")
        with web_client(server) as third:
            third.receive("4177-a-b")
            assert failure(third) == "crowded"


def test_verifiers_differ(sender: WebClient, receiver: WebClient) -> None:
    """A user who sees another verifier ends both."""
    receiver.receive(sender.send("text").code())
    sender.wait_for(type="peer")
    sender.say(type="compared", same=False)
    assert failure(sender) == "not-verified"
    assert failure(receiver) == "peer-error"


def test_too_large(sender: WebClient, receiver: WebClient, content: Path, tmp_path: Path) -> None:
    """A browser without a place says so before it accepts."""
    reach("deciding", sender, receiver, content, tmp_path)
    receiver.say(type="accept", sink={"kind": "memory"})
    assert failure(receiver) == "too-large-here"
    assert sender.outcome()["text"] == "this browser cannot store so much"


def test_disk_full(sender: WebClient, receiver: WebClient, content: Path, tmp_path: Path) -> None:
    """A full disk ends the transfer, and the sender is told."""
    (tmp_path / "received").symlink_to("/dev/full")
    reach("deciding", sender, receiver, content, tmp_path)
    receiver.accept(tmp_path / "received")
    assert failure(receiver) == "disk-full"
    assert sender.outcome()["text"] == "there is not enough disk space"


def test_file_changed(sender: WebClient, receiver: WebClient, tmp_path: Path) -> None:
    """A file that has become shorter since it was offered is not sent."""
    content = tmp_path / "file.bin"
    content.write_bytes(bytes(3_000_000))
    reach("deciding", sender, receiver, content, tmp_path)
    content.write_bytes(bytes(1_000_000))
    receiver.accept(tmp_path / "received")
    assert sender.outcome()["text"] == "file.bin"
    assert failure(sender) == "file-unreadable"
    assert receiver.outcome()["text"] == "a file cannot be read, or has changed"


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_peer_killed(
    who: str, sender: WebClient, receiver: WebClient, content: Path, tmp_path: Path
) -> None:
    """An end that vanishes while bytes move ends the other."""
    reach("moving", sender, receiver, content, tmp_path)
    here, there = (sender, receiver) if who == "sender" else (receiver, sender)
    here.end()
    # A sender that goes on sending meets a reset: the relay reads no more than a MiB for one that is gone.
    reset = {"relay-lost"} if who == "receiver" else set()
    assert failure(there) in {"peer-gone", *reset}
