"""
The pages about the server in Debian's Chromium: of a real server, and with a month of traffic behind them.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.processes import SECONDS, Program, Server, serving, transfer, two_folders
from tests.system.chromium import Tab, browsing

# The narrowest phones that are still about, one of today's, and a desk.
WIDTHS = (320, 390, 1280)


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browsing() as running:
        yield running


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "server.db"


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Server]:
    with serving(f"sqlite:///{database}", "--motd=Be nice.") as running:
        yield running


@pytest.fixture(scope="module", params=[(), ("--empty",)], ids=["busy", "empty"])
def gallery(request: pytest.FixtureRequest) -> Iterator[str]:
    program = Program([sys.executable, "-m", "tests.system.gallery", *request.param])
    try:
        yield f"http://127.0.0.1:{program.wait_for(r'(?m)^([0-9]+)$')[1]}"
    finally:
        program.end()


def _open(tab: Tab, url: str) -> None:
    """Open a page, which asks for nothing else and complains of nothing."""
    tab.requests.clear()
    tab.complaints.clear()
    tab.go(url)
    others = [each for each in tab.requests if each != url and not each.startswith("data:")]
    assert others == []
    assert tab.complaints == []


def _contrast(tab: Tab) -> float:
    """Of the text and what it stands on, by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.split("(")[1].rstrip(")").split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ink = luminance(tab.evaluate("getComputedStyle(document.querySelector('.lead')).color"))
    page = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    return (max(ink, page) + 0.05) / (min(ink, page) + 0.05)


@pytest.mark.parametrize("path", ["/", "/status"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits(tab: Tab, gallery: str, path: str, width: int, dark: bool) -> None:
    """A page fits any screen without scrolling sideways, and can be read in light and in dark."""
    tab.look(width, dark=dark, touch=width < 500)
    _open(tab, gallery + path)
    # A telephone would rather show a page smaller than scroll it sideways.
    assert tab.evaluate("innerWidth") == width
    sizes = tab.evaluate("(e => [e.scrollWidth, e.clientWidth])(document.documentElement)")
    assert sizes[0] == sizes[1]
    assert _contrast(tab) > 4.5
    page = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (page == "rgb(21, 19, 31)") == dark


def test_outline(tab: Tab, gallery: str) -> None:
    """Who hears a page instead of seeing it finds one heading for it, and words for every chart."""
    for path in ("/", "/status"):
        _open(tab, gallery + path)
        assert tab.evaluate("document.querySelectorAll('h1').length") == 1
        assert tab.evaluate("document.documentElement.lang") == "en"
        assert tab.evaluate("document.querySelectorAll('main').length") == 1
    charts = tab.evaluate(
        "[...document.querySelectorAll('svg[role=img]')].map(e => e.getAttribute('aria-label'))"
    )
    assert len(charts) == 6
    assert all(charts)


def _until_written(database: Path) -> None:
    """Until an exchange and both connections of its pair are in the usage records."""
    deadline = time.monotonic() + SECONDS
    counts = "SELECT (SELECT count(*) FROM mailbox_usage), (SELECT count(*) FROM relay_usage)"
    with closing(sqlite3.connect(database)) as connection:
        while (found := connection.execute(counts).fetchone()) != (1, 2):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)


def test_real_server(tab: Tab, server: Server, database: Path, tmp_path: Path) -> None:
    """A real server shows a browser its commands, and afterwards what they have come to."""
    address = f"http://127.0.0.1:{server.web_port}"
    tab.look(800)
    _open(tab, address + "/commands")
    commands = tab.evaluate("[...document.querySelectorAll('pre')].map(e => e.innerText)")
    paste = (
        f"wormhole --relay-url=ws://127.0.0.1:{server.web_port}/v1 "
        f"--transit-helper=tcp:127.0.0.1:{server.transit_port} send FILE"
    )
    assert paste in commands
    assert "Be nice." in tab.evaluate("document.body.innerText")
    there, here = two_folders(tmp_path)
    (there / "file").write_bytes(bytes(300_000))
    transfer(
        server,
        ["--no-listen", "file"],
        ["--no-listen", "--accept-file"],
        there,
        here,
    )
    _until_written(database)
    _open(tab, address + "/status")
    words = tab.evaluate("document.body.innerText")
    assert words.count("1 exchange ended, 100\N{NO-BREAK SPACE}% completed") == 3
    assert words.count("1 relay session ended") == 3
    total = json.loads(server.get("/status.json"))["days"]["total"]
    assert total["exchanges"]["happy"] == total["relay_sessions"] == 1
    assert total["relay_bytes"] > 300_000
