"""Browsers with the page in them, and what every test of the page is about: it stays with its server."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from tests.end_to_end.processes import Server, serving, two_folders
from tests.end_to_end.sessions import Session
from tests.system.chromium import Chromium, chromium
from tests.system.firefox import Firefox, firefox
from tests.system.web.client_page import ClientPage, address_of
from tests.system.web.contents import write_file
from tests.system.web.peers import CommandPeer, PagePeer, Peer, WilliamPeer
from tests.web.web_clients import endless_file as make_endless_file
from wormhole_client.keys import KeyExchange
from wormhole_client.transfers.messages import APPID

MakePeer = Callable[[str], Peer]
BY_DOWNLOAD = "delete window.showSaveFilePicker"  # nobody can click in it


class Opener(Protocol):
    """Opens the page in a tab."""

    def __call__(self, prepare: str = BY_DOWNLOAD) -> ClientPage:
        """
        Open it.

        :param prepare: a script that makes the browser one which saves elsewhere.
        """


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def fox() -> Iterator[Firefox]:
    """Firefox."""
    with firefox() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests of a module."""
    with serving(f"sqlite:///{tmp_path_factory.mktemp('server') / 'server.db'}") as running:
        yield running


@pytest.fixture
def address(server: Server) -> str:
    """The page's URL."""
    return address_of(server)


@pytest.fixture
def open_page(browser: Chromium, address: str) -> Iterator[Opener]:
    """Opens the page in a tab of Chromium that saves by downloads."""
    yield from _opener(browser, address)


@pytest.fixture
def open_fox(fox: Firefox, address: str) -> Iterator[Opener]:
    """Opens the page in a tab of Firefox."""
    yield from _opener(fox, address)


def _opener(browser: Chromium | Firefox, address: str) -> Iterator[Opener]:
    pages: list[ClientPage] = []

    def opened(prepare: str = BY_DOWNLOAD) -> ClientPage:
        tab = browser.tab()
        tab.begin_with(prepare)
        pages.append(ClientPage(tab, address))
        if prepare == BY_DOWNLOAD:
            pages[-1].wait_for_downloads()
        return pages[-1]

    yield opened
    for page in pages:
        if page.open:
            page.check_policy()
            page.close()


@pytest.fixture
def make_peer(open_page: Opener, server: Server, folders: tuple[Path, Path]) -> MakePeer:
    """Makes an end of a transfer: a "page" in Chromium, "wormhole", or "wormhole-william"."""
    return partial(_make_peer, open_page, server, *folders)


@pytest.fixture
def make_fox_peer(open_fox: Opener, server: Server, folders: tuple[Path, Path]) -> MakePeer:
    """Makes an end of a transfer: a "page" in Firefox, or "wormhole"."""
    return partial(_make_peer, open_fox, server, *folders)


def _make_peer(open_page: Opener, server: Server, there: Path, here: Path, who: str) -> Peer:
    match who:
        case "page":
            return PagePeer(open_page(), here)
        case "wormhole":
            return CommandPeer(server, there, here)
        case _:
            return WilliamPeer(server, there, here)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file to send."""
    write_file(tmp_path / "file.bin", 70 * 1024)
    return tmp_path / "file.bin"


@pytest.fixture
def endless_file(tmp_path: Path) -> Path:
    """A file to send: whatever is to happen meanwhile happens before it has moved."""
    return make_endless_file(tmp_path / "endless.bin")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Where the sender is, and the receiver."""
    return two_folders(tmp_path)


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """For now the server answers nothing."""
    assert server.program is not None
    process = server.program.process
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def proving_nothing(server: Server, code: str) -> Iterator[Session]:
    """A peer that begins the key exchange, and never proves that it has the code."""
    with Session(server.relay_url, "other", APPID) as session:
        mailbox = session.ask("claim", "claimed", nameplate=code.partition("-")[0])["mailbox"]
        session.send("open", mailbox=mailbox)
        pake = KeyExchange.start(code, APPID).message
        body = json.dumps({"pake_v1": pake.hex()}).encode().hex()
        session.send("add", phase="pake", body=body)
        yield session
        session.ask("release", "released")
        session.ask("close", "closed", mood="lonely")
