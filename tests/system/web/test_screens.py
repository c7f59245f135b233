"""The screens of the browser client in Chromium: everybody can use them, and they ask nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.processes import Server, serving
from tests.system.chromium import Chromium, Tab
from tests.system.web.client_page import ClientPage
from tests.system.web.conftest import BY_DOWNLOAD, proving_nothing, stopped
from tests.system.web.contents import write_file
from tools import web_build

AXE = web_build.WEB / "node_modules" / "axe-core" / "axe.min.js"
BY_MEMORY = """
    delete window.showSaveFilePicker;
    for (const name of ["serviceWorker", "storage"]) Object.defineProperty(navigator, name, {});
"""
FINGER = 44  # CSS pixels


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    web_build.install(tests=True)
    database = tmp_path_factory.mktemp("server") / "server.db"
    with serving(
        f"sqlite:///{database}", "--motd=Be nice.", "--site-contact=a@b.example"
    ) as running:
        yield running


class Opener:
    """Opens the page as on one screen; its console is heard as well."""

    def __init__(self, browser: Chromium, address: str, width: int, *, dark: bool) -> None:
        self._browser = browser
        self._address = address
        self._width = width
        self._dark = dark
        self.pages: list[ClientPage] = []

    def __call__(
        self, prepare: str = BY_DOWNLOAD, *, code: str = "", with_workers: bool = False
    ) -> ClientPage:
        tab = self._browser.tab(with_workers=with_workers)
        tab.begin_with(prepare)
        tab.look(self._width, dark=self._dark, touch=self._width < 500)
        page = ClientPage(tab, self._address + (code and f"#{code}"))
        self.pages.append(page)
        if prepare == BY_DOWNLOAD:
            page.wait_for_downloads()
        return page


@pytest.fixture(params=[(320, True), (1280, False)], ids=["narrow-dark", "wide-light"])
def open_page(browser: Chromium, address: str, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens the page on the narrowest phones that are still about, dark, and on a desk, light."""
    width, dark = request.param
    yield from _opener(browser, address, width, dark=dark)


@pytest.fixture
def open_phone(browser: Chromium, address: str) -> Iterator[Opener]:
    """Opens the page on a phone."""
    yield from _opener(browser, address, 375, dark=False)


def _opener(browser: Chromium, address: str, width: int, *, dark: bool) -> Iterator[Opener]:
    opener = Opener(browser, address, width, dark=dark)
    yield opener
    for page in opener.pages:
        page.check_policy()
        page.close()


def _examine(page: ClientPage, title: str) -> None:
    """Wait for a screen: it fits its width, and axe finds nothing wrong with it."""
    page.wait_for_title(title)
    tab = page.tab
    sizes = tab.evaluate("(e => [e.scrollWidth, e.clientWidth])(document.documentElement)")
    assert sizes[0] == sizes[1], page.text
    if not tab.evaluate("'axe' in window"):
        tab.evaluate(AXE.read_text("utf-8") + "; null")
    found = tab.evaluate(
        "axe.run().then(({violations}) => violations.map("
        "({id, nodes}) => [id, nodes.map((node) => node.html + node.failureSummary)]))"
    )
    assert found == [], json.dumps([title, *found], indent=1)


def _click(page: ClientPage, selector: str) -> None:
    page.tab.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file whose name fits nowhere."""
    path = tmp_path / "a-name-without-any-space-that-is-longer-than-every-telephone-is-wide.bin"
    write_file(path, 1000)
    return path


def test_start(open_page: Opener) -> None:
    """The first screen, with a link's code, options, words and a complaint; and that of a text."""
    page = open_page(code="4-bravado-waffle")
    assert "The link brought this code" in page.text
    _examine(page, "Send")
    page = open_page()
    _examine(page, "Send")
    _click(page, "summary")
    field = "document.getElementById('code')"
    page.receive("bravado")
    assert "A code looks like" in page.text
    _examine(page, "Send")
    page.tab.evaluate(f"{field}.value = '4-bra'")
    page.tab.evaluate(f"{field}.dispatchEvent(new Event('input'))")
    page.wait("document.querySelectorAll('#suggestions li').length")
    assert "A code looks like" not in page.text
    _examine(page, "Send")
    page.press("Write a text")
    _examine(page, "Text to send")


def test_transfer(open_page: Opener, file: Path) -> None:
    """The screens of a transfer that succeeds, with numbers that are compared."""
    sender, receiver = open_page(), open_page()
    for page in (sender, receiver):
        _click(page, "#verify")
    code = sender.send_files(file)
    _examine(sender, "Waiting for the other device")
    receiver.receive(code)
    for page in (sender, receiver):
        _examine(page, "Compare this number")
    number = "document.querySelector('.verifier').textContent"
    assert sender.tab.evaluate(number) == receiver.tab.evaluate(number)
    sender.press("It is the same")
    _examine(sender, "Waiting for the answer")
    receiver.press("It is the same")
    _examine(receiver, "Receive this?")
    receiver.press("Save")
    _examine(sender, "Sent")
    _examine(receiver, "Received")


def test_failure(open_page: Opener, endless_file: Path) -> None:
    """The screens while bytes move, and of a transfer that one end cancels."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_files(endless_file))
    receiver.save()
    _examine(sender, "Sending")
    _examine(receiver, "Receiving")
    receiver.press("Cancel")
    _examine(receiver, "Cancelled")
    _examine(sender, "It did not work")


def test_text(open_page: Opener) -> None:
    """The screens of a text, at both ends."""
    sender, receiver = open_page(), open_page()
    receiver.receive(sender.send_text("hello\n" * 30))
    _examine(receiver, "The text that you received")
    _examine(sender, "Sent")


def test_memory(open_page: Opener, file: Path, endless_file: Path) -> None:
    """The screens of a browser that saves by a link: what it offers, what is too large, and the link."""
    sender, receiver = open_page(), open_page(BY_MEMORY)
    receiver.receive(sender.send_files(file))
    receiver.wait_for_title("Receive this?")
    assert "keeps the file in memory" in receiver.text
    _examine(receiver, "Receive this?")
    receiver.press("Save")
    _examine(receiver, "Received")
    receiver.press("Send or receive more")
    sender.wait_for_title("Sent")
    sender.press("Send or receive more")
    receiver.receive(sender.send_files(endless_file))
    receiver.wait_for_title("Receive this?")
    assert "This is too large" in receiver.text
    _examine(receiver, "Receive this?")


def test_waiting(open_page: Opener, server: Server, file: Path) -> None:
    """The screens of waiting: for the server, for the sender, and for the proof that it has the code."""
    page = open_page()
    with proving_nothing(server, "7777-adroitness-waffle"):
        page.receive("7777-adroitness-waffle")
        _examine(page, "Checking the code")
        page.press("Cancel")
        page.wait_for_title("Cancelled")
    page.press("Start again")
    page.receive("7778-adroitness-waffle")
    _examine(page, "Waiting for the sender")
    page.press("Cancel")
    page.wait_for_title("Cancelled")
    page.press("Start again")
    with stopped(server):
        page.choose(file)
        _examine(page, "Connecting")


def test_only_this_server(open_page: Opener, tmp_path: Path) -> None:
    """A transfer asks no other origin for anything, breaks no policy, and complains of nothing."""
    write_file(tmp_path / "file.bin", 300_000)
    sender, receiver = open_page(with_workers=True), open_page(with_workers=True)
    receiver.receive(sender.send_files(tmp_path / "file.bin"))
    receiver.save()
    receiver.wait_for_title("Received")
    sender.wait_for_title("Sent")
    for page in (sender, receiver):
        assert page.tab.complaints == []
        assert {url.rsplit("/", 1)[1] for url in page.tab.requests} >= {"v1", "transit"}
        page.check_policy()


def test_phone(open_phone: Opener, file: Path) -> None:
    """On a phone, fingers do all of it: files are chosen, a link brings the code and leaves it nowhere."""
    sender = open_phone()
    assert isinstance(sender.tab, Tab)
    sender.tab.expect_chooser()
    sender.tap("Choose files")
    sender.tab.answer_chooser([file])
    code = sender.code()
    receiver = open_phone(code=code)
    tab = receiver.tab
    assert tab.evaluate("document.getElementById('code').value") == code
    assert tab.evaluate("location.hash") == ""
    assert not any(code in each for each in tab.requests)
    for label, title in (("Receive", "Receive this?"), ("Save", "Received")):
        receiver.tap(label)
        _examine(receiver, title)
    _examine(sender, "Sent")
    for page in (sender, receiver):
        page.tap("Send or receive more")
        _examine(page, "Send")
        heights = page.tab.evaluate(
            "[...document.querySelectorAll('#screen button, #screen input[type=text]')]"
            ".map((each) => each.getBoundingClientRect()).filter(({width}) => width > 0)"
            ".map(({height}) => height)"
        )
        assert min(heights) >= FINGER, heights
