"""
Debian's Firefox without a window, spoken to by WebDriver BiDi.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.processes import SECONDS, Program

# Downloads go to a folder without a question, and nothing is fetched from its makers.
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.download.always_ask_before_handling_new_types": False,
    "browser.download.folderList": 2,
    "browser.download.manager.addToRecentDocs": False,
    "browser.download.panel.shown": True,
    "browser.download.useDownloadDir": True,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "intl.accept_languages": "en",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class FirefoxTab:
    """
    One page.

    :ivar downloads: the folder that gets what it downloads.
    :ivar requests: what it has asked for, by URL.
    :ivar complaints: what it would show in its console.
    """

    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser = browser
        self._context = context
        self.downloads = browser.downloads
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def go(self, url: str) -> None:
        """Open a page, and wait until all of it is there."""
        self._browser.ask(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    def begin_with(self, script: str) -> None:
        """Run a script in each page that is opened from now on, before its own."""
        function = f"() => {{ {script} }}"
        contexts = [self._context]
        self._browser.ask(
            "script.addPreloadScript", functionDeclaration=function, contexts=contexts
        )

    def evaluate(self, expression: str) -> Any:
        """What JavaScript in the page would say, as if the user had clicked; promises are awaited."""
        as_text = f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))"
        result = self._evaluate(as_text)
        return json.loads(result["value"])

    def choose_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Choose files in an `<input>`."""
        found = self._evaluate(f"document.querySelector({json.dumps(selector)})")
        self._browser.ask(
            "input.setFiles",
            context=self._context,
            element={"sharedId": found["sharedId"]},
            files=[str(path) for path in paths],
        )

    def close(self) -> None:
        """Close it, as the user does who does not wait for the end."""
        self._browser.ask("browsingContext.close", context=self._context)

    def _evaluate(self, expression: str) -> Any:
        answer = self._browser.ask(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer
        return answer["result"]


class Firefox:
    """
    A running browser: one session, which all tabs share.

    :ivar program: its process, which has started the others.
    :ivar downloads: the folder that gets what its tabs download.
    """

    def __init__(self, connection: ClientConnection, program: Program, downloads: Path) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._tabs: dict[str, FirefoxTab] = {}
        self.program = program
        self.downloads = downloads
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["network.beforeRequestSent", "log.entryAdded"])

    def tab(self) -> FirefoxTab:
        """Open an empty page."""
        context = self.ask("browsingContext.create", type="tab")["context"]
        self._tabs[context] = FirefoxTab(self, context)
        return self._tabs[context]

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command; returns its result."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        self._connection.send(json.dumps(command))
        while (answer := self._hear()).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def _hear(self) -> Any:
        news = json.loads(self._connection.recv(SECONDS))
        match news.get("method"):
            case "network.beforeRequestSent":
                if tab := self._tabs.get(news["params"]["context"]):
                    tab.requests.append(news["params"]["request"]["url"])
            case "log.entryAdded":
                if tab := self._tabs.get(news["params"]["source"]["context"]):
                    tab.complaints.append(str(news["params"]["text"]))
        return news


@contextmanager
def firefox(downloads: Path | None = None) -> Iterator[Firefox]:
    """
    A browser for the time of a test.

    :param downloads: a folder for what it downloads; None: one of its own.
    """
    with ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        if downloads is None:
            downloads = Path(where) / "downloads"
            downloads.mkdir()
        preferences = {**_PREFERENCES, "browser.download.dir": str(downloads)}
        lines = [f"user_pref({json.dumps(n)}, {json.dumps(v)});\n" for n, v in preferences.items()]
        (Path(where) / "user.js").write_text("".join(lines))
        program = Program(
            [
                "firefox-esr",
                "--headless",
                "--no-remote",
                "--remote-debugging-port=0",
                f"--profile={where}",
            ],
        )
        stack.callback(program.end)
        address = program.wait_for(r"WebDriver BiDi listening on (ws://\S+)")[1]
        # Its first message comes when it has started.
        connection = connect(
            f"{address}/session", max_size=None, max_queue=None, open_timeout=SECONDS
        )
        yield Firefox(stack.enter_context(connection), program, downloads)
