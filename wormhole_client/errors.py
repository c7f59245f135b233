"""
The errors of a wormhole, one class for each that an application may want to tell from the others.

Every text is a sentence that can be shown to the user.
"""

import enum
from typing import Any

from twisted.python.failure import Failure


class WormholeMood(enum.Enum):
    """How a wormhole ended. The values are those of the protocol's `close`."""

    HAPPY = "happy"  # the other end proved that it has the code
    LONELY = "lonely"  # no other end proved anything before the close
    SCARY = "scary"  # another end came with a different code
    ERRORY = "errory"  # the server refused a command, or an end did not follow the protocol


class WormholeError(Exception):
    """Any of the errors below."""


class LonelyError(WormholeError):
    """The wormhole was closed before the other end had proved that it has the code."""


class WrongPasswordError(WormholeError):
    """The other end has a different code: a typing mistake, or an attacker who guesses."""


class ServerError(WormholeError):
    """
    The rendezvous server refused a command.

    :ivar orig: the command, where the server says which one it was.
    """

    def __init__(self, text: str, orig: object = None) -> None:
        super().__init__(text)
        self.orig = orig


class ServerConnectionError(WormholeError):
    """
    The first connection to the rendezvous server failed.

    :ivar reason: what the network reported.
    """

    def __init__(self, url: str, reason: Failure) -> None:
        super().__init__(f"cannot reach {url}: {reason.getErrorMessage()}")
        self.url = url
        self.reason = reason


class WelcomeError(WormholeError):
    """The rendezvous server does not accept this client. The text is the operator's."""


class WormholeClosed(WormholeError):
    """This end closed the wormhole before the awaited event."""


class DelegateError(WormholeError):
    """
    The delegate raised an exception when it was given a message, which the log shows.

    The wormhole is shut down, and can be resumed from its state: the message comes again.
    """


class OnlyOneCodeError(WormholeError):
    """The code of a wormhole was chosen a second time."""


class NoKeyError(WormholeError):
    """A key was derived before the key exchange."""


class BadCodeError(WormholeError):
    """The text is not a code."""


class ProtocolError(WormholeError):
    """
    The peer or the server does not follow the protocol.

    :ivar received: what it sent, where that helps.
    """

    def __init__(self, text: str, received: Any = None) -> None:
        super().__init__(text)
        self.received = received
