"""
Debian's Chromium without a window, spoken to by its debugging protocol: what it shows, asks for and says.
"""

from __future__ import annotations

import base64
import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.processes import SECONDS, Program

# Without these it looks for its makers' servers all the time; as root it wants no sandbox.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


class Tab:
    """
    One page.

    :ivar requests: what it has asked for, by URL.
    :ivar complaints: what it would show in its console.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._loaded = False
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def look(
        self, width: int, *, dark: bool = False, touch: bool = False, scale: float = 1
    ) -> None:
        """From now on as on such a screen."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=scale,
            mobile=touch,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Open a page, and wait until all of it is there."""
        self._loaded = False
        self._ask("Page.navigate", url=url)
        while not self._loaded:
            self._hear()

    def evaluate(self, expression: str) -> Any:
        """What JavaScript in the page would say."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def picture(self, height: int | None = None) -> bytes:
        """The page as a PNG, all of it or so much from its top."""
        width, whole = self.evaluate(
            "[innerWidth, Math.ceil(document.documentElement.getBoundingClientRect().height)]"
        )
        clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole), "scale": 1}
        shot = self._ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def _ask(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._connection.send(json.dumps(command))
        while (answer := self._hear()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _hear(self) -> Any:
        news = json.loads(self._connection.recv(SECONDS))
        match news.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(news["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(news["params"]["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.complaints.append(json.dumps(news["params"]))
        return news


@contextmanager
def browsing() -> Iterator[Tab]:
    """A browser with an empty page, for the time of a test."""
    with ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        program = Program(["chromium", *_FLAGS, f"--user-data-dir={where}", "about:blank"])
        stack.callback(program.end)
        address = program.wait_for(r"DevTools listening on (ws://\S+)")[1]
        # A screenshot is one message.
        connection = stack.enter_context(connect(address, max_size=None))
        yield Tab(connection)
