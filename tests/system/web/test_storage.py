"""Where what is received goes to in real browsers, and what happens where there is no room, or no speed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.processes import Program, Server, until, wormhole
from tests.system.chromium import Tab, chromium
from tests.system.disks import small_disk
from tests.system.firefox import Firefox, firefox
from tests.system.web.client_page import MIB, PEER_CANCELLED, ClientPage, address_of
from tests.system.web.conftest import Opener
from tests.system.web.contents import read_files, write_file

# In place of the user, a script picks a file that the page can read.
PICKED = (
    "navigator.storage.getDirectory().then((root) => root.getFileHandle('picked', {create: true}))"
)
BY_PICKER = f"""
    window.showSaveFilePicker = () => {PICKED};
    window.digestOf = async (handle) => {{
        const bytes = await (await (await handle).getFile()).arrayBuffer();
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    }};
"""
NO_DOWNLOADS = """
    delete window.showSaveFilePicker;
    Object.defineProperty(navigator, "serviceWorker", {value: undefined});
"""
STUCK = """
    delete window.showSaveFilePicker;
    navigator.serviceWorker.register = () => new Promise(() => undefined);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of more than one record."""
    write_file(tmp_path / "file.bin", 3 * MIB)
    return tmp_path / "file.bin"


def _sending(server: Server, file: Path) -> tuple[Program, str]:
    program = wormhole(server, "send", "--hide-progress", "--no-listen", file.name, cwd=file.parent)
    return program, program.wait_for(r"Wormhole code is: (\S+)")[1]


def _receive(page: ClientPage, server: Server, file: Path) -> None:
    """Receive a file from `wormhole`, and save it."""
    program, code = _sending(server, file)
    page.receive(code)
    page.save()
    page.wait_for_title("Received")
    assert program.finish() == 0


def _follow_link(page: ClientPage, file: Path) -> None:
    """Click the link to what was received; fails if it is not what was sent."""
    page.tab.evaluate("document.querySelector('#screen a[download]').click()")
    size = file.stat().st_size
    saved = page.wait_for_download(file.name, lambda path: path.stat().st_size == size)
    assert read_files(saved) == read_files(file)


def test_picked_file(open_page: Opener, server: Server, file: Path) -> None:
    """Where the browser has a file picker, the bytes go to the file that was picked."""
    page = open_page(BY_PICKER)
    _receive(page, server, file)
    assert page.wait(f"digestOf({PICKED})") == read_files(file)[""]


@pytest.mark.parametrize("prepare", [NO_DOWNLOADS, STUCK], ids=["none", "stuck"])
def test_own_storage(open_page: Opener, server: Server, file: Path, prepare: str) -> None:
    """Where there are no downloads, bytes go to the browser's own storage, and a link saves them."""
    page = open_page(prepare)
    _receive(page, server, file)
    assert page.tab.evaluate("navigator.storage.estimate().then(({usage}) => usage)") > 3 * MIB
    _follow_link(page, file)


def test_memory(server: Server, file: Path) -> None:
    """On plain http, where browsers offer nothing else, what is received is kept in memory and then saved."""
    with (
        chromium("--host-resolver-rules=MAP plain.example 127.0.0.1") as browser,
        closing(browser.tab()) as tab,
    ):
        page = ClientPage(tab, f"http://plain.example:{server.web_port}/")
        assert tab.evaluate("isSecureContext") is False
        program, code = _sending(server, file)
        page.receive(code)
        page.wait_for_title("Receive this?")
        assert "keeps the file in memory" in page.text
        page.press("Save")
        page.wait_for_title("Received")
        assert program.finish() == 0
        _follow_link(page, file)


def test_too_large(open_page: Opener, tmp_path: Path) -> None:
    """What fits nowhere in this browser cannot be accepted."""
    sender, receiver = open_page(), open_page(NO_DOWNLOADS)
    free = receiver.tab.evaluate("navigator.storage.estimate().then(({quota}) => quota)")
    with (tmp_path / "huge.bin").open("wb") as empty:
        empty.truncate(free + 1)
    receiver.receive(sender.send_files(tmp_path / "huge.bin"))
    receiver.wait_for_title("Receive this?")
    assert "This is too large for this browser" in receiver.text
    assert receiver.buttons == ["Refuse"]


@pytest.mark.parametrize("prepare", [NO_DOWNLOADS, BY_PICKER], ids=["own storage", "picked file"])
def test_quota_exceeded(open_page: Opener, endless_file: Path, prepare: str) -> None:
    """Storage that ends in the middle ends the transfer, both ends are told, and nothing is left."""
    sender, receiver = open_page(), open_page(prepare)
    assert isinstance(receiver.tab, Tab)
    used = "navigator.storage.estimate().then(({usage}) => usage)"
    before = receiver.tab.evaluate(used)
    receiver.receive(sender.send_files(endless_file))
    receiver.save()
    receiver.wait_for_title("Receiving")
    receiver.tab.limit_storage(MIB)
    assert receiver.failure() == "There is not enough space to save it."
    assert sender.failure() == "The other device reports: there is not enough disk space"
    receiver.wait(f"{used}.then((usage) => usage < {before} + {MIB})")


def test_full_disk(open_page: Opener, endless_file: Path, tmp_path: Path) -> None:
    """A disk that is full in the middle of a download ends the transfer; the browser says why."""
    sender, receiver = open_page(), open_page()
    assert isinstance(receiver.tab, Tab)
    with small_disk(tmp_path / "small", "8m") as disk:
        receiver.tab.save_to(disk.where)
        receiver.receive(sender.send_files(endless_file))
        receiver.save()
        receiver.wait_for_title("Cancelled")
        assert sender.failure() == PEER_CANCELLED


def _memory(browser: Firefox) -> int:
    """Bytes of all its processes that they share with nobody."""
    parent, total = psutil.Process(browser.program.process.pid), 0
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().uss
    return total


def _relayed(server: Server) -> float:
    return server.metrics()["wormhole_relay_bytes_total"]


def _wait_until_still(value: Callable[[], float]) -> float:
    """Wait until a figure does not grow any more."""
    seen: list[float] = []

    def is_still() -> bool:
        seen.append(value())
        return len(seen) > 40 and seen[-1] == seen[-40] > 0

    until(is_still)
    return seen[-1]


def test_slow_disk(server: Server, tmp_path: Path) -> None:
    """Firefox with a disk that takes nothing is sent no more than it has granted; it stays small."""
    file, size = tmp_path / "large.bin", 128 * MIB
    write_file(file, size)
    with small_disk(tmp_path / "disk", "256m", "ext4") as disk, firefox(disk.where) as browser:
        page = ClientPage(browser.tab(), address_of(server))
        page.wait_for_downloads()
        program, code = _sending(server, file)
        page.receive(code)
        page.wait_for_title("Receive this?")
        before, already = _memory(browser), _relayed(server)
        page.press("Save")
        page.wait_for_title("Receiving")
        with disk.held():
            assert _wait_until_still(lambda: _relayed(server)) - already < size / 2
            assert _memory(browser) - before < 64 * MIB
        page.wait_for_title("Received")
        assert program.finish() == 0
        saved = page.wait_for_download(file.name, lambda path: path.stat().st_size == size)
        assert read_files(saved) == read_files(file)
