"""The kernel's pipe, between real sockets."""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from tests.transit_relay.links.sockets import MIB, FakeKernel, MoverCase, pipe_ends
from transit_relay.links import pipe as pipe_module
from transit_relay.links.pipe import LEAST, Pipe, RefusedError


def fails(number: int) -> Callable[..., NoReturn]:
    """A system call that fails with an error number."""

    def call(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return call


class PipeTests(MoverCase):
    """`Pipe`."""

    def make(self, size: int = MIB) -> Pipe:
        pipe = Pipe.make(size)
        self.addCleanup(pipe.close)
        return pipe

    def test_moves(self) -> None:
        """Bytes go through, in order."""
        self.check(self.make())

    def test_full(self) -> None:
        """A target that takes no more."""
        self.check_full(self.make())

    def test_head(self) -> None:
        """A target that does not even take the head."""
        self.check_head(self.make())

    def test_lost(self) -> None:
        """A target whose connection is lost; its bytes leave the pipe, which stays in use."""
        pipe = self.make()
        entry = pipe._entry
        self.check_lost(pipe)
        self.assertEqual(pipe._entry, entry)

    def test_left_behind(self) -> None:
        """Bytes that an exception left in the pipe never reach another pair."""
        pipe = self.make()
        before = pipe_ends()
        self.sender.sendall(b"secret")
        pipe.fill(self.source, 6)
        self.sender.sendall(b"mine")
        self.assertEqual(pipe.fill(self.source, 4), 4)
        self.assertEqual(pipe.empty(self.target, b""), b"")
        self.assertEqual(self.receiver.recv(100), b"mine")
        self.assertEqual(pipe_ends(), before)

    def test_left_behind_before_nothing(self) -> None:
        """A pipe that was replaced is empty, even if there was nothing to take then."""
        pipe = self.make()
        self.sender.sendall(b"secret")
        pipe.fill(self.source, 6)
        with self.assertRaises(BlockingIOError):
            pipe.fill(self.source, 6)
        self.assertEqual(pipe.empty(self.target, b""), b"")

    def test_size(self) -> None:
        """The pipe has exactly the size that was wanted."""
        for size in (LEAST, 256 * 1024, MIB):
            pipe = self.make(size)
            self.assertEqual(pipe.size, size)
            self.assertEqual(fcntl.fcntl(pipe._entry, fcntl.F_GETPIPE_SZ), size)

    def test_smaller(self) -> None:
        """Where the kernel does not allow the wanted size, the pipe has the next half that it allows."""
        self.patch(pipe_module, "fcntl", FakeKernel(300 * 1024))
        self.assertEqual(self.make().size, 256 * 1024)

    def test_turn(self) -> None:
        """A turn fills a pipe twice; however large the pipe, a turn is bounded."""
        pipe = self.make()
        for size, turn in ((LEAST, 2 * LEAST), (MIB, 2 * MIB), (4 * MIB, 2 * MIB)):
            pipe.size = size
            self.assertEqual(pipe.turn, turn)

    def test_no_size(self) -> None:
        """Where the kernel allows no size, the pipe is refused, and closed."""
        before = pipe_ends()
        self.patch(pipe_module, "fcntl", FakeKernel(0))
        with self.assertRaises(RefusedError):
            Pipe.make(MIB)
        self.assertEqual(pipe_ends(), before)

    def test_grow(self) -> None:
        """A pipe grows to the wanted size once the kernel allows that, and no further."""
        kernel = FakeKernel(LEAST)
        self.patch(pipe_module, "fcntl", kernel)
        pipe = self.make()
        self.assertEqual(pipe.size, LEAST)
        kernel.allowed = 4 * MIB
        pipe.grow()
        self.assertEqual(pipe.size, MIB)
        self.assertEqual(fcntl.fcntl(pipe._entry, fcntl.F_GETPIPE_SZ), MIB)
        kernel.allowed = 0
        pipe.grow()
        self.assertEqual(pipe.size, MIB)

    def test_non_blocking(self) -> None:
        """Neither end blocks, and no child process gets them."""
        pipe = self.make()
        for end in (pipe._entry, pipe._exit):
            self.assertFalse(os.get_blocking(end))
            self.assertFalse(os.get_inheritable(end))

    def test_other_system(self) -> None:
        """Where there is no splice, there is no pipe."""
        self.patch(sys, "platform", "darwin")
        with self.assertRaisesRegex(RefusedError, "only Linux has splice"):
            Pipe.make(MIB)

    def test_no_descriptors(self) -> None:
        """Without a free descriptor there is no pipe; the text says why."""
        self.patch(os, "pipe2", fails(errno.EMFILE))
        with self.assertRaisesRegex(RefusedError, "no pipe: Too many open files"):
            Pipe.make(MIB)

    def test_too_small(self) -> None:
        """A pipe that is too small to be of use is refused, and closed."""
        before = pipe_ends()
        with self.assertRaises(RefusedError):
            Pipe.make(4096)
        self.assertEqual(pipe_ends(), before)

    def test_closed(self) -> None:
        """A closed pipe refuses, and has taken nothing."""
        before = pipe_ends()
        pipe = Pipe.make(MIB)
        pipe.close()
        self.assertEqual(pipe_ends(), before)
        self.sender.sendall(b"abc")
        with self.assertRaises(RefusedError):
            pipe.fill(self.source, 3)
        self.assertEqual(self.source.socket.recv(3, socket.MSG_WAITALL), b"abc")

    def test_no_splice(self) -> None:
        """A file that the kernel cannot splice from is refused."""
        self.source.fileno = os.eventfd(0)
        self.addCleanup(os.close, self.source.fileno)
        with self.assertRaises(RefusedError):
            self.make().fill(self.source, 100)

    def test_lost_source(self) -> None:
        """A source that was reset is lost, which is no fault of the machine's."""
        self.sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sender.close()
        with self.assertRaises(ConnectionResetError):
            self.make().fill(self.source, 100)

    def test_machine_errors(self) -> None:
        """An error that is about the machine, and not about the connection, is a refusal."""
        pipe = self.make()
        for number in (
            errno.EINVAL,
            errno.ENOSYS,
            errno.EOPNOTSUPP,
            errno.EPERM,
            errno.EACCES,
            errno.ENOMEM,
            errno.ENFILE,
            errno.EMFILE,
            errno.EBADF,
        ):
            self.patch(os, "splice", fails(number))
            with self.assertRaisesRegex(RefusedError, f"no splice: {os.strerror(number)}"):
                pipe.fill(self.source, 100)

    def test_machine_error_at_the_target(self) -> None:
        """What the kernel refuses to splice to the target is returned, and nothing stays in the pipe."""
        pipe = self.make()
        self.sender.sendall(b"abcdef")
        pipe.fill(self.source, 6)
        self.patch(os, "splice", fails(errno.EINVAL))
        self.assertEqual(pipe.empty(self.target, b""), b"abcdef")
        self.assertEqual(pipe._held, 0)

    def test_flags(self) -> None:
        """No call blocks; the head waits for what is behind it, so that both leave in one segment."""
        flags: list[int] = []
        splice = os.splice

        def count(source: int, target: int, length: int, *, flags: int) -> int:
            flags_of_splice.append(flags)
            return splice(source, target, length, flags=flags)

        class Target(socket.socket):
            def send(self, data: object, how: int = 0, /) -> int:
                flags.append(how)
                return len(bytes(data))  # type: ignore[call-overload]

        flags_of_splice: list[int] = []
        self.patch(os, "splice", count)
        pipe = self.make()
        self.sender.sendall(b"abc")
        pipe.fill(self.source, 3)
        self.target.socket = Target(fileno=os.dup(self.target.fileno))
        self.addCleanup(self.target.socket.close)
        self.assertEqual(pipe.empty(self.target, b"[3]"), b"")
        self.assertEqual(flags, [socket.MSG_DONTWAIT | socket.MSG_MORE])
        self.assertEqual(flags_of_splice, [os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK] * 2)
