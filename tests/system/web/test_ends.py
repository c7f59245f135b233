"""How transfers of the browser client end that do not succeed: what each end is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.end_to_end.processes import Program, Server, wormhole
from tests.end_to_end.sessions import Session
from tests.system.chromium import Tab
from tests.system.web.client_page import PEER_CANCELLED, ClientPage
from tests.system.web.conftest import Opener, proving_nothing, stopped
from wormhole_client.transfers.messages import APPID

WRONG_CODE = "The code is not the one that the other person has."


def _sending(server: Server, file: Path) -> tuple[Program, str]:
    program = wormhole(server, "send", "--hide-progress", "--no-listen", file.name, cwd=file.parent)
    return program, program.wait_for(r"Wormhole code is: (\S+)")[1]


def _wrong(code: str) -> str:
    """The same nameplate with other words."""
    nameplate, *words = code.split("-")
    return "-".join([nameplate, *reversed(words), "adroitness"])


def test_wrong_code_here(open_page: Opener, server: Server, file: Path) -> None:
    """With a wrong code in the page, both ends say so."""
    program, code = _sending(server, file)
    page = open_page()
    page.receive(_wrong(code))
    assert page.failure() == WRONG_CODE
    assert program.finish() == 1
    assert "confirmation failed" in program.output


def test_wrong_code_there(open_page: Opener, server: Server, file: Path) -> None:
    """With a wrong code at the other end, both ends say so."""
    page = open_page()
    code = page.send_files(file)
    receiver = wormhole(server, "receive", "--accept-file", _wrong(code), cwd=file.parent)
    assert receiver.finish() == 1
    assert page.failure() == WRONG_CODE


def test_third_side(open_page: Opener, server: Server, file: Path) -> None:
    """A third device with a code of two is told so."""
    sender, third = open_page(), open_page()
    code = sender.send_files(file)
    with Session(server.relay_url, "second", APPID) as second:
        second.ask("claim", "claimed", nameplate=code.split("-")[0])
        third.receive(code)
        assert third.failure() == "Two devices already use this code."


def test_refused_here(open_page: Opener, server: Server, file: Path) -> None:
    """Who refuses in the page ends the transfer for `wormhole`."""
    program, code = _sending(server, file)
    page = open_page()
    page.receive(code)
    page.wait_for_title("Receive this?")
    page.press("Refuse")
    assert page.failure() == "You refused it."
    assert program.finish() == 1
    assert "transfer rejected" in program.output


def test_refused_there(open_page: Opener, file: Path) -> None:
    """A refusal of the other end ends the transfer here."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(file))
    receiver.wait_for_title("Receive this?")
    receiver.press("Refuse")
    assert sender.failure() == "The other person refused it."


def test_cancel_while_connecting(open_page: Opener, server: Server, file: Path) -> None:
    """Who cancels while the server does not answer need not wait for it."""
    page = open_page()
    with stopped(server):
        page.choose(file)
        page.wait_for_title("Connecting")
        page.press("Cancel")
        page.wait_for_title("Cancelled")


def test_cancel_while_waiting(open_page: Opener, server: Server, file: Path) -> None:
    """Who cancels while nobody has come leaves nothing behind."""
    sender, receiver = open_page(), open_page()
    code = sender.send_files(file)
    sender.press("Cancel")
    sender.wait_for_title("Cancelled")
    receiver.receive("7777-" + code.split("-", 1)[1])
    receiver.wait_for_title("Waiting for the sender")
    receiver.press("Cancel")
    receiver.wait_for_title("Cancelled")
    with Session(server.relay_url, "other", APPID) as other:
        listed = other.ask("list", "nameplates")["nameplates"]
        assert {each["id"] for each in listed}.isdisjoint({code.split("-")[0], "7777"})


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_cancel_during_key_exchange(
    open_page: Opener, server: Server, file: Path, who: str
) -> None:
    """Who cancels before the other end has proved that it has the code has a message for it."""
    page = open_page()
    code = page.send_files(file) if who == "sender" else "8888-adroitness-waffle"
    with proving_nothing(server, code) as other:
        if who == "receiver":
            page.receive(code)
        page.wait_for_title("Checking the code")
        page.press("Cancel")
        page.wait_for_title("Cancelled")
        other.sync()
        sent = [each["phase"] for each in other.seen if each["type"] == "message"]
        assert sent == ["pake", "pake", "version", "0"]


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_different_numbers(open_page: Opener, file: Path, who: str) -> None:
    """Who sees another number ends it for both before anything is offered."""
    sender, receiver = open_page(), open_page()
    for page in (sender, receiver):
        page.tab.evaluate("document.getElementById('verify').click()")
    receiver.receive(sender.send_files(file))
    for page in (sender, receiver):
        page.wait_for_title("Compare this number")
    one, other = (sender, receiver) if who == "sender" else (receiver, sender)
    one.press("It is different")
    assert one.failure() == "The numbers differ: somebody may have listened in."
    assert "verification rejected" in other.failure()


def test_cancel_while_deciding(open_page: Opener, file: Path) -> None:
    """A sender that cancels while the offer stands takes it away."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(file))
    receiver.wait_for_title("Receive this?")
    sender.press("Cancel")
    sender.wait_for_title("Cancelled")
    assert receiver.failure() == PEER_CANCELLED


@pytest.fixture
def moving(open_page: Opener, endless_file: Path) -> tuple[ClientPage, ClientPage]:
    """A sender and a receiver, and bytes between them."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(endless_file))
    receiver.save()
    receiver.wait_for_title("Receiving")
    sender.wait_for_title("Sending")
    return sender, receiver


@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
def test_cancel_while_moving(moving: tuple[ClientPage, ClientPage], who: int) -> None:
    """Who cancels while bytes move ends it for the other, which is told why."""
    moving[who].press("Cancel")
    moving[who].wait_for_title("Cancelled")
    assert moving[1 - who].failure() == PEER_CANCELLED


@pytest.mark.parametrize("how", ["closed", "crashed"])
@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
def test_killed_page(moving: tuple[ClientPage, ClientPage], who: int, how: str) -> None:
    """A page asks before it is closed while bytes move; the other one says that it is gone, or crashed."""
    if how == "crashed":
        moving[who].crash()
    else:
        moving[who].close()
        tab = moving[who].tab
        assert isinstance(tab, Tab)
        assert tab.questions == ["beforeunload"]
    assert moving[1 - who].failure() == "The other device is gone."


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_killed_wormhole(
    open_page: Opener, server: Server, endless_file: Path, tmp_path: Path, who: str
) -> None:
    """A `wormhole` that is killed while bytes move is gone; this end says so."""
    page = open_page()
    if who == "sender":
        program, code = _sending(server, endless_file)
        page.receive(code)
        page.save()
        page.wait_for_title("Receiving")
    else:
        code = page.send_files(endless_file)
        here = tmp_path / "here"
        here.mkdir()
        program = wormhole(server, "receive", "--accept-file", "--no-listen", code, cwd=here)
        page.wait_for_title("Sending")
    program.end(signal.SIGKILL)
    assert page.failure() == "The other device is gone."
