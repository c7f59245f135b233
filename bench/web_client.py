"""
The browser client against the `wormhole` command, through one server; one round:

    python -m bench.web_client [MEBIBYTES] [chromium|firefox]

MiB/s, processor time of both ends, the memory of the tab, and the time from opening the page to the code.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from bench.common import machine
from tests.end_to_end.processes import Program, Server, serving, wormhole
from tests.system.chromium import chromium
from tests.system.firefox import firefox
from tests.system.web.client_page import MIB, BrowserTab, ClientPage, address_of
from wormhole_server.web.pages.assets import read_assets
from wormhole_web.files import BUILT

_GIB = 1024  # MiB
_CODE = r"Wormhole code is: (\S+)"
_SENT = ("Sent", "Received")
_LOOK = 0.5  # seconds between looks at the processes, which cost time themselves
_NOT_LOADED_FIRST = {"client", "de", "icon", "maskable", "touch", "licenses"}


def _processor_seconds() -> float:
    """Of all processes that this one has started, as long as they live."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        # It may have ended meanwhile.
        with suppress(psutil.NoSuchProcess):
            if "wormhole-server" not in " ".join(process.cmdline()):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def _tab_memory() -> float:
    """MiB of the largest process that shows pages, without what it shares."""
    largest = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            command = process.cmdline()
            if "--type=renderer" in command or command[-1:] == ["tab"]:
                largest = max(largest, process.memory_full_info().uss / MIB)
    return largest


class Measurement:
    """One transfer."""

    def __init__(self, name: str, mebibytes: int) -> None:
        self._name, self._mebibytes = name, mebibytes
        self._began, self._processor = time.monotonic(), _processor_seconds()
        self._used = self._memory = 0.0

    def watch(self, is_over: Callable[[], bool]) -> None:
        """Look at the processes until it is over."""
        while not is_over():
            # A command that has ended is no longer counted: the last look counts.
            self._used = max(self._used, _processor_seconds() - self._processor)
            self._memory = max(self._memory, _tab_memory())
            time.sleep(_LOOK)
        seconds = time.monotonic() - self._began
        print(
            f"{self._name:24} {self._mebibytes / seconds:6.1f} MiB/s  "
            f"{self._used / self._mebibytes * _GIB:6.1f} s/GiB  tab {self._memory:4.0f} MiB",
            flush=True,
        )


def _over(page: ClientPage) -> bool:
    return page.title in _SENT


def _open(tab: BrowserTab, server: Server) -> ClientPage:
    page = ClientPage(tab, address_of(server))
    # Nobody clicks in Chromium's file picker.
    tab.evaluate("delete window.showSaveFilePicker")
    page.wait_for_downloads()
    return page


def _receive(server: Server, here: Path, code: str) -> Program:
    return wormhole(
        server, "receive", "--hide-progress", "--no-listen", "--accept-file", code, cwd=here
    )


def _send(server: Server, file: Path) -> tuple[Program, str]:
    program = wormhole(server, "send", "--hide-progress", "--no-listen", file.name, cwd=file.parent)
    return program, program.wait_for(_CODE)[1]


def _measure(tab: BrowserTab, server: Server, file: Path, here: Path, size: int) -> None:
    program, code = _send(server, file)
    measurement = Measurement("wormhole to wormhole", size)
    receiver = _receive(server, here, code)
    measurement.watch(lambda: receiver.process.poll() is not None)
    program.finish()
    (here / file.name).unlink()
    page = _open(tab, server)
    code = page.send_files(file)
    measurement = Measurement("page to wormhole", size)
    receiver = _receive(server, here, code)
    measurement.watch(lambda: receiver.process.poll() is not None)
    (here / file.name).unlink()
    page.wait_for_title("Sent")
    page = _open(tab, server)
    program, code = _send(server, file)
    page.receive(code)
    page.save()
    measurement = Measurement("wormhole to page", size)
    measurement.watch(lambda: _over(page))
    program.finish()


def _time_to_code(tab: BrowserTab, server: Server, file: Path) -> float:
    """Seconds from opening the page to the code, with a file that is chosen at once."""
    began = time.monotonic()
    page = ClientPage(tab, address_of(server))
    page.send_files(file)
    seconds = time.monotonic() - began
    page.press("Cancel")  # a page that waits asks before it is left
    page.wait_for_title("Cancelled")
    return seconds


def main() -> None:
    """Measure, and print a line for each."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else _GIB
    in_firefox = sys.argv[2:] == ["firefox"]
    print(machine())
    assets = read_assets()
    loaded = {n: a for n, a in assets.items() if n.split("-")[0] not in _NOT_LOADED_FIRST}
    compressed = sum(len(gzip.compress((BUILT / name).read_bytes())) for name in loaded)
    print(f"bundles {compressed / 1024:.1f} KiB gzipped")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        file, here = Path(folder) / "file.bin", Path(folder) / "here"
        here.mkdir()
        with file.open("wb") as empty:
            empty.truncate(size * MIB)
        server = stack.enter_context(serving(f"sqlite:///{folder}/server.db"))
        tab: BrowserTab = (
            stack.enter_context(firefox()).tab()
            if in_firefox
            else stack.enter_context(chromium()).tab()
        )
        times = sorted(_time_to_code(tab, server, file) for _ in range(5))
        print(f"page to code {times[2] * 1000:.0f} ms")
        _measure(tab, server, file, here, size)


if __name__ == "__main__":
    main()
