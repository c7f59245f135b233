"""
The browser client's core and worker against the real `wormhole`, through our server, and against each other.
"""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Server, serving, until, wormhole
from tests.web.web_clients import web_client

TEXT = "grüße, wormhole"
SIZES = {"empty": 0, "small": 3, "records": 70 * 1024, "large": 20 * 2**20}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all transfers."""
    folder = tmp_path_factory.mktemp("server")
    with serving(f"sqlite:///{folder / 'server.db'}") as running:
        yield running


@pytest.fixture(params=[*SIZES, "directory"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file, or a directory with an empty one, and with names that are not ASCII."""
    there = tmp_path / "there"
    there.mkdir()
    path = there / f"größe {request.param}"
    if request.param == "directory":
        (path / "empty").mkdir(parents=True)
        (path / "a" / "b").mkdir(parents=True)
        (path / "a" / "b" / "日本語.txt").write_text("1")
        (path / "leer.txt").touch()
        (path / "block.bin").write_bytes(random.Random(2).randbytes(1_500_000))
    else:
        path.write_bytes(random.Random(1).randbytes(SIZES[request.param]))
    return path


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where the receiver is."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def _tree(path: Path) -> dict[str, str]:
    """Everything below a path, with hashes of the files."""
    if path.is_file():
        return {"": hashlib.sha256(path.read_bytes()).hexdigest()}
    return {
        each.relative_to(path).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest()
        if each.is_file()
        else "directory"
        for each in path.rglob("*")
    }


def _unpacked(path: Path, original: Path) -> Path:
    """What has arrived, unpacked if it is a directory."""
    if original.is_file():
        return path
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert archive.testzip() is None
        archive.extractall(path.parent / "unpacked")
    return path.parent / "unpacked"


def test_send(server: Server, content: Path, here: Path) -> None:
    """What the browser sends, `wormhole` receives."""
    with web_client(server) as client:
        code = client.send(content).code()
        receiver = wormhole(server, "receive", "--hide-progress", "--accept-file", code, cwd=here)
        assert receiver.finish() == 0, receiver.output
        assert client.outcome() == {"type": "done", "result": {"kind": "sent"}}
        assert _tree(here / content.name) == _tree(content)


def test_receive(server: Server, content: Path, here: Path) -> None:
    """What `wormhole` sends, the browser receives."""
    sender = wormhole(server, "send", "--hide-progress", content.name, cwd=content.parent)
    with web_client(server) as client:
        client.receive(sender.wait_for(r"Wormhole code is: (\S+)")[1])
        name = client.wait_for(type="offer")["offer"]["name"]
        assert name == content.name + (".zip" if content.is_dir() else "")
        client.accept(here / "received")
        assert client.outcome()["result"] == {"kind": "saved", "name": name}
        assert sender.finish() == 0, sender.output
    assert _tree(_unpacked(here / "received", content)) == _tree(content)


def test_both(server: Server, content: Path, here: Path) -> None:
    """What one browser sends, another receives; both see how far it is."""
    with web_client(server) as sender, web_client(server) as receiver:
        receiver.receive(sender.send(content).code())
        offer = receiver.wait_for(type="offer")["offer"]
        receiver.accept(here / "received")
        assert sender.outcome()["result"] == {"kind": "sent"}
        assert receiver.outcome()["type"] == "done"
        if offer["size"]:
            last = {"type": "progress", "moved": offer["size"], "total": offer["size"]}
            assert last in sender.messages
            assert last in receiver.messages
    assert _tree(_unpacked(here / "received", content)) == _tree(content)


def test_text_to_wormhole(server: Server, here: Path) -> None:
    """A text is sent to `wormhole`, with a code that the user chose."""
    with web_client(server) as client:
        client.send(TEXT, "4711-grüße-aus-wien").wait_for(state="waiting-for-peer")
        receiver = wormhole(server, "receive", "4711-grüße-aus-wien", cwd=here)
        assert receiver.finish() == 0, receiver.output
        assert TEXT in receiver.output
        assert client.outcome()["result"] == {"kind": "sent"}


def test_text_from_wormhole(server: Server, here: Path) -> None:
    """A text of `wormhole` comes with the end, and is not offered."""
    sender = wormhole(server, "send", "--text", TEXT, cwd=here)
    with web_client(server) as client:
        client.receive(sender.wait_for(r"Wormhole code is: (\S+)")[1])
        assert client.outcome()["result"] == {"kind": "text", "text": TEXT}
        assert sender.finish() == 0, sender.output


def test_counted(server: Server) -> None:
    """Each end of a transfer between browsers is counted, by how it ended."""

    def counted() -> float:
        return server.metrics()['wormhole_rendezvous_web_transfers_total{mood="happy"}']

    before = counted()
    with web_client(server) as sender, web_client(server) as receiver:
        receiver.receive(sender.send(TEXT).code())
        assert receiver.outcome()["result"] == {"kind": "text", "text": TEXT}
        assert sender.outcome()["result"] == {"kind": "sent"}
        until(lambda: counted() == before + 2)


def test_verifiers(server: Server) -> None:
    """Both ends see the same verifier, and nothing is offered before both have compared it."""
    with web_client(server, verify=True) as sender, web_client(server, verify=True) as receiver:
        receiver.receive(sender.send(TEXT).code())
        shown = [client.wait_for(type="peer")["verifier"] for client in (sender, receiver)]
        assert shown[0] == shown[1]
        for client in (receiver, sender):
            client.say(type="compared", same=True)
        assert receiver.outcome()["result"] == {"kind": "text", "text": TEXT}


def test_nameplates(server: Server) -> None:
    """Nameplates that wait are listed, and the transfer begins on the same connection."""
    with web_client(server) as sender, web_client(server) as receiver:
        code = sender.send(TEXT).code()
        sender.wait_for(state="waiting-for-peer")
        receiver.wait_for(type="welcome")
        receiver.say(type="list-nameplates")
        assert code.partition("-")[0] in receiver.wait_for(type="nameplates")["nameplates"]
        receiver.receive(code)
        assert receiver.outcome()["result"] == {"kind": "text", "text": TEXT}
