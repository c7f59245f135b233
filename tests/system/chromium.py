"""
Debian's Chromium without a window, spoken to by its debugging protocol: what it shows, asks for and says.
"""

from __future__ import annotations

import base64
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
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
    # A desk has a mouse.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
)


class Tab:
    """
    One page.

    :param with_workers: whether to hear its workers too, and what they send and receive, while it is little.
    :ivar downloads: the folder that gets what it downloads.
    :ivar requests: what it has asked for, by URL, WebSockets included.
    :ivar complaints: what it would show in its console.
    :ivar questions: the kinds of dialogs that it has shown, which were answered with yes.
    """

    def __init__(
        self, connection: ClientConnection, downloads: Path, *, with_workers: bool
    ) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._loaded = False
        self._closed = False
        self._chooser: int | None = None
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.questions: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        if with_workers:
            self._ask(
                "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True
            )
        self.save_to(downloads)

    def look(
        self, width: int, *, dark: bool = False, touch: bool = False, scale: float = 1
    ) -> None:
        """From now on as on such a screen, which a finger touches or a mouse points at."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=scale,
            mobile=touch,
        )
        self._ask("Emulation.setTouchEmulationEnabled", enabled=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Open a page, and wait until all of it is there."""
        self._loaded = False
        self._ask("Page.navigate", url=url)
        while not self._loaded:
            self._hear()

    def begin_with(self, script: str) -> None:
        """Run a script in each page that is opened from now on, before its own."""
        self._ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def evaluate(self, expression: str) -> Any:
        """What JavaScript in the page would say, as if the user had clicked; promises are awaited."""
        answer = self._ask(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def choose_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Choose files in an `<input>`."""
        document = self._ask("DOM.getDocument")["root"]["nodeId"]
        node = self._ask("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self._ask("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def expect_chooser(self) -> None:
        """Let no dialog of the system's open when the page asks for files."""
        self._ask("Page.setInterceptFileChooserDialog", enabled=True)

    def answer_chooser(self, paths: Sequence[Path]) -> None:
        """Wait until the page has asked for files, and choose them."""
        while self._chooser is None:
            self._hear()
        files = [str(path) for path in paths]
        self._ask("DOM.setFileInputFiles", backendNodeId=self._chooser, files=files)

    def drop(self, paths: Sequence[Path]) -> None:
        """Drop files and folders in the middle of the page."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._ask("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)

    def save_to(self, downloads: Path) -> None:
        """Let another folder get what it downloads."""
        self.downloads = downloads
        self._ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def tap(self, x: float, y: float) -> None:
        """Touch the screen for a moment."""
        self._ask("Page.bringToFront")  # others are not touched
        self._ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self._ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def limit_storage(self, size: int) -> None:
        """Let the page's origin store so many bytes, in all tabs."""
        origin = self.evaluate("origin")
        self._ask("Storage.overrideQuotaForOrigin", origin=origin, quotaSize=size)

    def crash(self) -> None:
        """End the page's process, as a phone does that has no memory left."""
        self._send("Page.crash")

    def close(self) -> None:
        """Close it, as the user does who does not wait for the end, and says so when asked."""
        self._send("Page.close")
        while not self._closed:
            self._hear()

    def picture(self, height: int | None = None) -> bytes:
        """The page as a PNG, all of it or so much from its top."""
        self._ask("Page.bringToFront")  # others are not drawn
        width, whole = self.evaluate(
            "[innerWidth, Math.ceil(document.documentElement.getBoundingClientRect().height)]"
        )
        clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole), "scale": 1}
        shot = self._ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def _follow(self, session: str) -> None:
        """Hear what a worker of the page asks for and says, from its beginning, for which it waits."""
        enable = [f"{domain}.enable" for domain in ("Network", "Runtime", "Log")]
        for method in (*enable, "Runtime.runIfWaitingForDebugger"):
            command = {"id": 0, "method": method, "sessionId": session}
            self._connection.send(json.dumps(command))

    def _send(self, method: str, **parameters: Any) -> int:
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._connection.send(json.dumps(command))
        return number

    def _ask(self, method: str, **parameters: Any) -> Any:
        number = self._send(method, **parameters)
        deadline = time.monotonic() + SECONDS
        while (answer := self._hear()).get("id") != number:
            assert time.monotonic() < deadline, f"no answer to {method}"
        assert "error" not in answer, answer
        return answer["result"]

    def _hear(self) -> Any:
        news = json.loads(self._connection.recv(SECONDS))
        match news.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Page.fileChooserOpened":
                self._chooser = news["params"]["backendNodeId"]
            case "Page.javascriptDialogOpening":
                self.questions.append(news["params"]["type"])
                self._send("Page.handleJavaScriptDialog", accept=True)
            case "Target.detachedFromTarget":
                self._closed |= news["params"]["sessionId"] == self._session
            case "Target.attachedToTarget":
                self._follow(news["params"]["sessionId"])
            case "Network.webSocketCreated":
                self.requests.append(news["params"]["url"])
            case "Network.requestWillBeSent":
                self.requests.append(news["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(news["params"]["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.complaints.append(json.dumps(news["params"]))
        return news


class Chromium:
    """A running browser."""

    def __init__(self, address: str, downloads: Path, stack: ExitStack) -> None:
        self._address = address
        self._downloads = downloads
        self._stack = stack

    def tab(self, *, with_workers: bool = False) -> Tab:
        """Open an empty page; see `Tab`."""
        # A screenshot is one message; and nobody reads while a test waits for something else.
        connection = connect(
            self._address, max_size=None, max_queue=None, ping_interval=None, close_timeout=1
        )
        self._stack.enter_context(connection)
        return Tab(connection, self._downloads, with_workers=with_workers)


@contextmanager
def chromium(*flags: str) -> Iterator[Chromium]:
    """A browser for the time of a test."""
    with ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        program = Program(["chromium", *_FLAGS, *flags, f"--user-data-dir={where}", "about:blank"])
        stack.callback(program.end)
        address = program.wait_for(r"DevTools listening on (ws://\S+)")[1]
        downloads = Path(where) / "downloads"
        downloads.mkdir()
        yield Chromium(address, downloads, stack)


@contextmanager
def browsing() -> Iterator[Tab]:
    """A browser with an empty page, for the time of a test."""
    with chromium() as browser:
        yield browser.tab()
