"""
The ends of a transfer: the page, `wormhole`, and wormhole-william; each sends and receives the same things.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final, Protocol

from tests.end_to_end.processes import Program, Server, wormhole
from tests.system.chromium import Tab
from tests.system.web.client_page import ClientPage
from tests.system.web.contents import TEXT, Content, read_files, unzip
from tests.system.william import CODE, william

WAYS: Final = [("page", "page"), ("page", "wormhole"), ("wormhole", "page")]
_PATIENCE: Final = 900.0  # seconds; for 1 GiB on a machine that is busy


class Peer(Protocol):
    """One end."""

    def send(self, content: Content) -> str:
        """Begin to send; returns the code."""

    def receive(self, code: str) -> None:
        """Begin to receive, whatever comes."""

    def finish_sending(self) -> None:
        """Wait until it knows that everything has arrived."""

    def finish_receiving(self, content: Content) -> None:
        """Wait until everything is here; fails if it is not what was sent."""


class PagePeer:
    """The page, which saves what comes among the browser's downloads."""

    def __init__(self, page: ClientPage, here: Path) -> None:
        self._page = page
        self._here = here

    def send(self, content: Content) -> str:
        if content.path is None:
            return self._page.send_text(TEXT)
        if content.chosen:
            return self._page.send_files(*content.path.iterdir())
        if content.path.is_dir():
            assert isinstance(self._page.tab, Tab)  # nobody can drop anything in Firefox
            self._page.tab.drop([content.path])
            return self._page.code()
        return self._page.send_files(content.path)

    def receive(self, code: str) -> None:
        self._page.receive(code)

    def finish_sending(self) -> None:
        self._page.wait_for_title("Sent")

    def finish_receiving(self, content: Content) -> None:
        page = self._page
        if content.path is None:
            page.wait_for_title("The text that you received")
            assert page.received_text == TEXT
            return
        page.save()
        page.wait_for_title("Received")
        if content.path.is_dir():
            archive = page.wait_for_download(f"{content.path.name}.zip", zipfile.is_zipfile)
            arrived = unzip(archive, self._here / "unpacked")
        else:
            size = content.path.stat().st_size
            arrived = page.wait_for_download(
                content.path.name, lambda path: path.stat().st_size == size
            )
        assert read_files(arrived) == read_files(content.path)


class CommandPeer:
    """The command `wormhole` of magic-wormhole."""

    def __init__(self, server: Server, there: Path, here: Path) -> None:
        self._server = server
        self._there = there
        self._here = here
        self._program: Program | None = None

    def send(self, content: Content) -> str:
        what = ["--text", TEXT] if content.path is None else [content.path.name]
        self._program = self._start("send", "--hide-progress", *what, cwd=self._there)
        return self._program.wait_for(CODE)[1]

    def receive(self, code: str) -> None:
        self._program = self._start("receive", "--hide-progress", code, cwd=self._here)

    def finish_sending(self) -> None:
        self._succeed()

    def finish_receiving(self, content: Content) -> None:
        program = self._succeed()
        if content.path is None:
            assert TEXT in program.output
        else:
            assert read_files(self._here / content.path.name) == read_files(content.path)

    def _start(self, *arguments: str, cwd: Path) -> Program:
        accept = ["--accept-file"] if "receive" in arguments else []
        return wormhole(self._server, *arguments, *accept, "--no-listen", cwd=cwd)

    def _succeed(self) -> Program:
        assert self._program is not None
        assert self._program.finish(_PATIENCE) == 0, self._program.output
        return self._program


class WilliamPeer(CommandPeer):
    """The command `wormhole-william`."""

    def _start(self, *arguments: str, cwd: Path) -> Program:
        return william(self._server, *arguments, cwd=cwd, answer="y\n")


def transfer(sender: Peer, receiver: Peer, content: Content) -> None:
    """Send and receive; fails unless everything arrives, and both say so."""
    receiver.receive(sender.send(content))
    receiver.finish_receiving(content)
    sender.finish_sending()
