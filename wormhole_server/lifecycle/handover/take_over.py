"""
The Unix socket of `take-over`, from both ends: a server waits there to be succeeded, and its successor asks.

Owns what is said there. The successor sends a line, the versions of the state that it reads. The server that
runs hands over, which takes as long as it has clients that it must wait for, sends the bundle if it knows one
of the versions, and closes the connection when it is gone: its database is closed by then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IFileDescriptorReceiver, IListeningPort, IReactorUNIX
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

_LONGEST_LINE: Final = 4096
_OWNER_ONLY: Final = 0o600
_NOBODY: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED})


class SuccessorConnection(LineOnlyReceiver):
    """
    A successor, as the server that runs sees it.

    :param arrived: called with this and the versions of the state that the successor reads.
    """

    delimiter = b"\n"
    MAX_LENGTH = _LONGEST_LINE
    transport: Any  # IUNIXTransport

    def __init__(self, arrived: Callable[[SuccessorConnection, Collection[int]], None]) -> None:
        self._arrived = arrived
        self._bundle: int | None = None
        self._gone: list[Deferred[None]] = []

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's
        """Read its line."""
        try:
            versions = msgspec.json.decode(line, type=list[int])
        except msgspec.DecodeError:
            self.transport.abortConnection()
        else:
            self._arrived(self, versions)

    def send(self, bundle: int) -> None:
        """Send a bundle, and close it when the successor is gone."""
        self._bundle = bundle
        self.transport.sendFileDescriptor(bundle)
        self.transport.write(b"\n")

    def close(self) -> Deferred[None]:
        """Let the successor go on; the Deferred fires when it has everything."""
        done: Deferred[None] = Deferred()
        if self.connected:
            self._gone.append(done)
            self.transport.loseConnection()
        else:
            done.callback(None)
        return done

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - Twisted's
        """The connection is closed, by whomever."""
        self.connected = 0
        if self._bundle is not None:
            os.close(self._bundle)
        gone, self._gone = self._gone, []
        for done in gone:
            done.callback(None)


def wait_for_successor(
    reactor: IReactorUNIX,
    path: str,
    arrived: Callable[[SuccessorConnection, Collection[int]], None],
) -> IListeningPort:
    """
    Listen for a successor. A socket that a server has left behind is replaced.

    :raises twisted.internet.error.CannotListenError: the socket cannot be made.
    """
    factory: Any = Factory.forProtocol(lambda: SuccessorConnection(arrived))
    factory.noisy = False
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    return reactor.listenUNIX(path, factory, mode=_OWNER_ONLY)


@implementer(IFileDescriptorReceiver)
class PredecessorConnection(Protocol):
    """
    The server that runs, as its successor sees it.

    :param versions: of the state that this process reads.
    :param found: called when it is there.
    :ivar bundle: what it has sent; None: nothing, or nothing yet.
    :ivar gone: fires when it is gone.
    """

    transport: Any  # IUNIXTransport

    def __init__(self, versions: Collection[int], found: Callable[[], None]) -> None:
        self.bundle: int | None = None
        self.gone: Deferred[None] = Deferred()
        self._versions = versions
        self._found = found

    def connectionMade(self) -> None:
        """Ask."""
        self._found()
        self.transport.write(msgspec.json.encode(sorted(self._versions)) + b"\n")

    def fileDescriptorReceived(self, descriptor: int) -> None:  # noqa: N802 - Twisted's
        """Keep the bundle."""
        os.set_inheritable(descriptor, False)
        self.bundle = descriptor

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """It is gone."""
        self.gone.callback(None)


class _PredecessorFactory(ClientFactory):
    noisy = False

    def __init__(self, protocol: PredecessorConnection) -> None:
        self._protocol = protocol

    def buildProtocol(self, _: object) -> Protocol:
        return self._protocol

    def clientConnectionFailed(self, _: object, reason: Failure) -> None:  # noqa: N802
        if getattr(reason.value, "osError", None) in _NOBODY:
            self._protocol.gone.callback(None)
        else:
            self._protocol.gone.errback(reason)


async def ask_predecessor(
    reactor: IReactorUNIX, path: str, versions: Collection[int], found: Callable[[], None]
) -> int | None:
    """
    Have the server that runs hand over, and wait until it is gone.

    :param found: called where there is one.
    :return: its bundle; None: there is none, or it does not know any of the versions.
    :raises twisted.internet.error.ConnectError: the socket is there, and cannot be used.
    """
    connection = PredecessorConnection(versions, found)
    reactor.connectUNIX(path, _PredecessorFactory(connection))
    await connection.gone
    return connection.bundle
