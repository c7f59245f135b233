"""The resources that all pairs share, also in a process with few pipe pages left."""

import subprocess
import sys
from pathlib import Path

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.transit_relay.fakes import FakeObserver
from tests.transit_relay.links.sockets import MIB, FakeKernel, pipe_ends
from transit_relay.links import pipe as pipe_module
from transit_relay.links.pipe import LEAST, Pipe
from transit_relay.links.resources import LinkResources
from transit_relay.observer import Fallback

ROOT = Path(__file__).parents[3]

POOR = """
import fcntl, os
from tests.transit_relay.links.test_resources import Fallback, FakeObserver, LinkResources, MIB

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

first, second = FakeObserver(), FakeObserver()
rich, poor = LinkResources(MIB, first), LinkResources(MIB, second)
rich.pipe()

held, size = [], MIB
while size >= 16384:  # until the kernel gives no more than two pages
    held += os.pipe()
    try:
        size = fcntl.fcntl(held[-1], fcntl.F_SETPIPE_SZ, MIB)
    except PermissionError:
        size = fcntl.fcntl(held[-1], fcntl.F_GETPIPE_SZ)
assert poor.mover() is poor.buffer
assert second.fallbacks == [Fallback.NO_PIPE] and second.pipe_bytes == 0
assert rich.mover() is rich.pipe() and rich.pipe().size == MIB and first.fallbacks == []

for end in held:
    os.close(end)
assert poor.mover() is poor.pipe() and second.pipe_bytes == MIB
"""


class LinkResourcesTests(SynchronousTestCase):
    """`LinkResources`."""

    def setUp(self) -> None:
        self.observer = FakeObserver()

    def test_one_pipe(self) -> None:
        """There is one pipe, and its size is reported; 0 after it was closed."""
        resources = LinkResources(MIB, self.observer)
        self.assertIsInstance(resources.mover(), Pipe)
        self.assertIs(resources.mover(), resources.pipe())
        self.assertEqual(self.observer.pipe_bytes, MIB)
        resources.close()
        self.assertEqual(self.observer.pipe_bytes, 0)
        self.assertEqual(self.observer.fallbacks, [])

    def test_grows(self) -> None:
        """A pipe that is smaller than wanted grows once the kernel allows that."""
        kernel = FakeKernel(LEAST)
        self.patch(pipe_module, "fcntl", kernel)
        resources = LinkResources(MIB, self.observer)
        self.addCleanup(resources.close)
        resources.pipe()
        self.assertEqual(self.observer.pipe_bytes, LEAST)
        kernel.allowed = MIB
        self.assertEqual(resources.pipe().size, MIB)
        self.assertEqual(self.observer.pipe_bytes, MIB)

    def test_close(self) -> None:
        """The pipe is closed once; a pair after that gets a new one."""
        before = pipe_ends()
        resources = LinkResources(MIB, self.observer)
        resources.close()
        resources.pipe()
        resources.close()
        self.assertEqual(pipe_ends(), before)
        resources.close()
        resources.pipe()
        self.assertEqual(pipe_ends(), before + 2)
        resources.close()

    def test_memory(self) -> None:
        """The view is that of the memory."""
        resources = LinkResources(MIB, self.observer)
        resources.view[:3] = b"abc"
        self.assertEqual(resources.buffer.memory[:3], b"abc")

    def test_no_pipe(self) -> None:
        """Without a usable pipe the memory is used, which is reported each time."""
        resources = LinkResources(4096, self.observer)
        self.assertIs(resources.mover(), resources.buffer)
        self.assertIs(resources.mover(), resources.buffer)
        self.assertEqual(self.observer.fallbacks, [Fallback.NO_PIPE] * 2)
        resources.close()

    @pytest.mark.processes
    def test_ordinary_user(self) -> None:
        """
        A user whose pipes use what the kernel allows in all has the memory, and a pipe once they use less; a
        pipe that was made before stays.
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
