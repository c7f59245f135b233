"""
What can go wrong with a wormhole, one class for each thing that an application may want to tell
apart. Every text is a sentence that can be shown to a person.
"""

import enum
from typing import Any

from twisted.python.failure import Failure


class Mood(enum.Enum):
    """How a wormhole ended. The values are what `close` says to the server."""

    HAPPY = "happy"  # the other end proved that it has the code
    LONELY = "lonely"  # nobody came, or nobody who could prove anything
    SCARY = "scary"  # somebody came with another code
    ERRORY = "errory"  # the server refused, or spoke nonsense


class WormholeError(Exception):
    """Any of the errors below."""


class LonelyError(WormholeError):
    """The wormhole was closed before the other end had proved that it has the code."""


class WrongPasswordError(WormholeError):
    """The other end has another code: a typing mistake, or somebody guessing."""


class ServerError(WormholeError):
    """The rendezvous server refused a command. `orig` is the command, where it said which."""

    def __init__(self, text: str, orig: object = None) -> None:
        super().__init__(text)
        self.orig = orig


class ServerConnectionError(WormholeError):
    """The first connection to the rendezvous server failed; `reason` is what the network said."""

    def __init__(self, url: str, reason: Failure) -> None:
        super().__init__(f"cannot reach {url}: {reason.getErrorMessage()}")
        self.url = url
        self.reason = reason


class WelcomeError(WormholeError):
    """The rendezvous server turns clients away; the text is the operator's."""


class WormholeClosed(WormholeError):
    """The wormhole was closed, by this end, before what was waited for had happened."""


class OnlyOneCodeError(WormholeError):
    """A second attempt to choose the code of one wormhole."""


class NoKeyError(WormholeError):
    """A key was to be derived before there was one."""


class BadCodeError(WormholeError):
    """The text is not a code."""


class ProtocolError(WormholeError):
    """The peer, or the server, said something that the protocol does not know."""

    def __init__(self, text: str, said: Any = None) -> None:
        super().__init__(text)
        self.said = said
