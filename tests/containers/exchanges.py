"""
What every way of running the server has to stand: a file through its relay, and a crash in mid-exchange.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.containers.compose import Project
from tests.end_to_end.processes import transfer, wormhole


def send_file(project: Project, ends: tuple[Path, Path]) -> None:
    """The real `wormhole` sends a file, which arrives whole, and by no other way than the relay."""
    there, here = ends
    (there / "file.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    transfer(project, ["--no-listen", "file.bin"], ["--no-listen", "--accept-file"], there, here)
    assert (here / "file.bin").read_bytes() == (there / "file.bin").read_bytes()


def survive(project: Project, ends: tuple[Path, Path], *services: str) -> None:
    """Each of `services` crashes while a sender waits with its code; then the receiver comes."""
    there, here = ends
    sender = wormhole(project, "send", "--hide-progress", "--text=still here", cwd=there)
    receiver = None
    try:
        code = sender.wait_for(r"Wormhole code is: (\S+)")[1]
        for service in services:
            project.crash(service)
        receiver = wormhole(project, "receive", code, cwd=here)
        statuses = receiver.finish(), sender.finish()
    finally:
        sender.end()
        if receiver is not None:
            receiver.end()
    assert statuses == (0, 0), f"{sender.output}\n{receiver.output}\n{project.output}"
    assert "still here" in receiver.output
