"""
The page of the browser client, as its user meets it, in any browser.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.end_to_end.processes import SECONDS, Server
from tests.system.chromium import Tab

MIB = 2**20
ENDS = ("Sent", "Received", "The text that you received", "Cancelled", "It did not work")
PEER_CANCELLED = "The other device reports: the transfer was cancelled at this end"
# What the page's policy forbids, and was tried.
_WATCH = """
    window.breaches = [];
    addEventListener("securitypolicyviolation", (event) => breaches.push(event.violatedDirective));
"""
_FILES = "input[type=file]:not([webkitdirectory])"


class BrowserTab(Protocol):
    """What the drivers of all browsers have in common."""

    downloads: Path
    requests: list[str]
    complaints: list[str]

    def go(self, url: str) -> None:
        """Open a page, and wait until all of it is there."""

    def begin_with(self, script: str) -> None:
        """Run a script in each page that is opened from now on, before its own."""

    def evaluate(self, expression: str) -> Any:
        """What JavaScript in the page would say, as if the user had clicked; promises are awaited."""

    def choose_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Choose files in an `<input>`."""

    def close(self) -> None:
        """Close it, as the user does who does not wait for the end."""


class ClientPage:
    """
    The page in a tab.

    :ivar open: whether the tab is there.
    """

    def __init__(self, tab: BrowserTab, url: str) -> None:
        self.tab = tab
        self.open = True
        tab.begin_with(_WATCH)
        tab.go(url)
        self.wait("document.getElementById('code') !== null")

    def check_policy(self) -> None:
        """Fail if the page has asked another origin for anything, or tried what its policy forbids."""
        breaches = self.tab.evaluate("breaches")
        assert breaches == [], breaches
        own = str(self.tab.evaluate("origin"))
        # Firefox has fonts of its own in URLs.
        origins = (f"{own}/", own.replace("http", "ws", 1) + "/", f"blob:{own}/", "data:")
        others = [each for each in self.tab.requests if not each.startswith(origins)]
        assert others == [], others

    def close(self) -> None:
        """Close the tab, as the user does who does not wait for the end."""
        self.open = False
        self.tab.close()

    def crash(self) -> None:
        """End the page's process, as a phone does that has no memory left."""
        assert isinstance(self.tab, Tab)
        self.open = False
        self.tab.crash()

    @property
    def title(self) -> str:
        """The title of the screen that is shown."""
        return str(self.tab.evaluate("document.querySelector('#screen h1')?.textContent ?? ''"))

    @property
    def text(self) -> str:
        """All that the screen says; all that is there, if it is not the page."""
        screen = "document.getElementById('screen')"
        return str(self.tab.evaluate(f"({screen} ?? document.documentElement).innerText"))

    @property
    def buttons(self) -> list[str]:
        """The names of all buttons on the screen."""
        every = "[...document.querySelectorAll('#screen button')]"
        return list(self.tab.evaluate(f"{every}.map((button) => button.textContent)"))

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true; returns it."""
        deadline = time.monotonic() + SECONDS
        while not (found := self.tab.evaluate(f"({expression}) || null")):
            assert time.monotonic() < deadline, f"{expression}\n{self.text}"
            time.sleep(0.02)
        return found

    def wait_for_title(self, title: str) -> None:
        """Wait until a screen is shown; fails when another end is, or when nothing changes any more."""
        before, deadline = "", time.monotonic() + SECONDS
        while (shown := self.title) != title:
            text = self.text
            assert shown not in ENDS, f"{title!r} is not shown, but:\n{text}"
            assert time.monotonic() < deadline, f"{title!r} is not shown, but:\n{text}"
            if text != before:
                before, deadline = text, time.monotonic() + SECONDS
            time.sleep(0.02)

    def press(self, label: str) -> None:
        """Press the button of that name."""
        self.wait(f"{_button(label)} && true")
        self.tab.evaluate(f"{_button(label)}.click()")

    def tap(self, label: str) -> None:
        """Touch the button of that name, wherever on the page it is; fails if something is in front of it."""
        assert isinstance(self.tab, Tab)
        self.wait(f"{_button(label)} && true")
        x, y = self.tab.evaluate(
            f"""((button) => {{
                button.scrollIntoView({{block: "center"}});
                const {{x, y, width, height}} = button.getBoundingClientRect();
                return [x + width / 2, y + height / 2];
            }})({_button(label)})"""
        )
        assert self.tab.evaluate(f"document.elementFromPoint({x}, {y}) === {_button(label)}"), label
        self.tab.tap(x, y)

    def choose(self, *paths: Path) -> None:
        """Choose files to send."""
        self.tab.choose_files(_FILES, paths)

    def send_files(self, *paths: Path) -> str:
        """Send files; returns the code."""
        self.choose(*paths)
        return self.code()

    def send_text(self, text: str) -> str:
        """Send a text; returns the code."""
        self.press("Write a text")
        field = "document.querySelector('textarea')"
        self.wait(f"{field} !== null")
        self.tab.evaluate(f"{field}.value = {json.dumps(text)}")
        self.tab.evaluate(f"{field}.dispatchEvent(new Event('input'))")
        self.press("Send the text")
        return self.code()

    def code(self) -> str:
        """Wait for the code."""
        return str(self.wait("document.getElementById('the-code')?.textContent"))

    def receive(self, code: str) -> None:
        """Enter a code, and begin."""
        self.tab.evaluate(f"document.getElementById('code').value = {json.dumps(code)}")
        self.press("Receive")

    def wait_for_downloads(self) -> None:
        """Wait until the service worker is known to work: before that, there are other ways to save."""
        self.wait(
            "navigator.serviceWorker.getRegistration().then((found) => "
            "found?.active?.state === 'activated' && !document.querySelector('iframe'))"
        )

    def save(self) -> None:
        """Wait for the offer, and accept it."""
        self.wait_for_title("Receive this?")
        self.press("Save")

    def failure(self) -> str:
        """Wait for the end that is a failure; returns the reason."""
        return str(self.wait("document.getElementById('reason')?.textContent"))

    @property
    def received_text(self) -> str:
        """The text that was received."""
        return str(self.wait("document.getElementById('received')?.textContent"))

    def wait_for_download(self, name: str, is_complete: Callable[[Path], bool]) -> Path:
        """Wait until a download is complete; returns where it is."""
        path = self.tab.downloads / name
        deadline = time.monotonic() + SECONDS
        while not (path.exists() and is_complete(path)):
            found = [(each.name, each.stat().st_size) for each in self.tab.downloads.iterdir()]
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return path


def _button(label: str) -> str:
    return (
        "[...document.querySelectorAll('#screen button')]"
        f".find((button) => button.textContent === {json.dumps(label)})"
    )


def address_of(server: Server) -> str:
    """The page's URL on a server."""
    return f"http://127.0.0.1:{server.web_port}/"
