"""What all pairs share, in a process that is allowed only so much."""

import subprocess
import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import Notes
from transit_relay.links.shared import Shared
from transit_relay.observer import Fallback

ROOT = Path(__file__).parents[2]
MIB = 1 << 20

POOR = """
import fcntl, os
from tests.transit_relay.test_shared import Clock, Fallback, MIB, Notes, Shared

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

first, notes = Notes(), Notes()
rich, poor = Shared(Clock(), MIB, first), Shared(Clock(), MIB, notes)
rich.pipe()

held, size = [], MIB
while size >= 16384:  # until the kernel gives no more than two pages
    held += os.pipe()
    try:
        size = fcntl.fcntl(held[-1], fcntl.F_SETPIPE_SZ, MIB)
    except PermissionError:
        size = fcntl.fcntl(held[-1], fcntl.F_GETPIPE_SZ)
assert poor.mover() is poor.buffer
assert notes.fallbacks == [Fallback.NO_PIPE] and notes.pipe_bytes == 0
assert rich.mover() is rich.pipe() and rich.pipe().size == MIB and first.fallbacks == []

for end in held:
    os.close(end)
assert poor.mover() is poor.pipe() and notes.pipe_bytes == MIB
"""


class SharedTests(SynchronousTestCase):
    """`Shared`."""

    def setUp(self) -> None:
        self.notes = Notes()

    def test_one_pipe(self) -> None:
        """There is one pipe, and what it takes is told; nothing after it was given back."""
        shared = Shared(Clock(), MIB, self.notes)
        self.assertIs(shared.mover(), shared.mover())
        self.assertEqual(self.notes.pipe_bytes, MIB)
        shared.close()
        self.assertEqual(self.notes.pipe_bytes, 0)
        self.assertEqual(self.notes.fallbacks, [])

    def test_no_pipe(self) -> None:
        """Without a pipe of use it is the memory, which is counted each time."""
        shared = Shared(Clock(), 4096, self.notes)
        self.assertIs(shared.mover(), shared.buffer)
        self.assertIs(shared.mover(), shared.buffer)
        self.assertEqual(self.notes.fallbacks, [Fallback.NO_PIPE] * 2)
        shared.close()

    def test_ordinary_user(self) -> None:
        """
        A user whose pipes have used up what the kernel allows has the memory, and a pipe as soon as
        that is allowed again. Who got the pipe before keeps it.
        """
        done = subprocess.run(
            [sys.executable, "-c", POOR],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
