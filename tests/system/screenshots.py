"""
The pictures in docs/images, made anew:

    python -m tests.system.screenshots
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.certificates import Authority
from tests.end_to_end.processes import BIN, LOOPBACK, Program
from tests.ports import free_port
from tests.system.chromium import Tab, browsing, chromium
from tests.system.pngs import repack
from tests.system.web.client_page import ClientPage

IMAGES: Final = Path(__file__).parent.parent.parent / "docs" / "images"
_HOST: Final = "wormhole.example.org"


def _write(name: str, png: bytes) -> None:
    (IMAGES / f"{name}.png").write_bytes(repack(png))


def _take_pages(tab: Tab, address: str) -> None:
    for name, path, width, height, dark in (
        ("home", "/", 800, 1000, False),
        ("status", "/status", 800, 1010, False),
        ("status-dark", "/status", 390, 860, True),
        ("home-dark", "/", 390, 860, True),
    ):
        tab.look(width, dark=dark, touch=width < 500)
        tab.go(address + path)
        _write(name, tab.picture(height))


def _take_client(sender: Tab, receiver: Tab, scratch: Path) -> None:
    """A desk that shows a code, and a phone that was offered something."""
    file = scratch / "Holiday pictures.zip"
    with file.open("wb") as empty:
        empty.truncate(48_300_000)
    sender.look(720)
    page = ClientPage(sender, f"https://{_HOST}/")
    sender.evaluate("document.getElementById('own-code').value = '4-bravado-waffle'")
    sender.evaluate("document.getElementById('own-code').dispatchEvent(new Event('input'))")
    code = page.send_files(file)
    # A shadow is a third of the file.
    sender.evaluate("document.documentElement.style.setProperty('--shadow', 'none')")
    _write("client", sender.picture(810))
    receiver.look(390, dark=True, touch=True)
    page = ClientPage(receiver, f"https://{_HOST}/#{code}")
    page.press("Receive")
    page.wait_for_title("Receive this?")
    _write("client-dark", receiver.picture())


def _take_client_pages() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        key, chain = Authority().issue().write(scratch)
        server = Program(
            [
                str(BIN / "wormhole-server"),
                "run",
                f"--rendezvous=ssl:{port}:privateKey={key}:certKey={chain}:interface=127.0.0.1",
                f"--transit={LOOPBACK.format(0)}",
                "--metrics=none",
                f"--database=sqlite:///{scratch / 'server.db'}",
                f"--public-url=wss://{_HOST}/v1",
                f"--public-transit=tcp:{_HOST}:4001",
            ]
        )
        mapped = f"--host-resolver-rules=MAP {_HOST}:443 127.0.0.1:{port}"
        try:
            server.wait_for("Ready")
            with chromium(mapped, "--ignore-certificate-errors") as browser:
                _take_client(browser.tab(), browser.tab(), scratch)
        finally:
            server.end()


def main() -> None:
    """Take them all."""
    IMAGES.mkdir(exist_ok=True)
    gallery = Program([sys.executable, "-m", "tests.system.gallery"])
    try:
        port = gallery.wait_for(r"(?m)^(\d+)$")[1]
        with browsing() as tab:
            _take_pages(tab, f"http://127.0.0.1:{port}")
    finally:
        gallery.end()
    _take_client_pages()


if __name__ == "__main__":
    main()
