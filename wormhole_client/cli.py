"""
`wormhole-client`: the composition root. Owns the reactor, the exit status and the one line for each
thing that can go wrong; every command is a coroutine elsewhere.
"""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.task import react

from wormhole_client.check import check
from wormhole_client.errors import LonelyError, WormholeError
from wormhole_client.handshake import HandshakeFailure
from wormhole_client.load import load
from wormhole_client.options import parser
from wormhole_client.race import NobodyCame
from wormhole_client.records import BadRecord
from wormhole_client.terminal import say
from wormhole_client.tor import TorError
from wormhole_client.transfers import receive, send
from wormhole_client.transit import TransitFailed
from wormhole_client.websocket import HandshakeError

Command = Callable[[Any, argparse.Namespace], Awaitable[None]]
COMMANDS: Final[dict[str, Command]] = {
    "check": check,
    "load": load,
    "receive": receive,
    "send": send,
}
EXPECTED: Final = (
    BadRecord,
    ConnectError,
    ConnectionAborted,
    ConnectionLost,
    DNSLookupError,
    HandshakeError,
    HandshakeFailure,
    NobodyCame,
    OSError,
    TorError,
    TransitFailed,
    WormholeError,
)
"""What is told in one line. Anything else is our mistake, and gets a traceback."""
FAILED: Final = 1
INTERRUPTED: Final = 130  # as shells count an interrupt


def main() -> None:
    """The console script."""
    options = parser().parse_args()
    react(lambda reactor: start(reactor, options))


def start(reactor: Any, options: argparse.Namespace) -> Deferred[None]:
    """Run the command; an interrupt cancels it, and waits for it to clean up behind itself."""
    running = Deferred.fromCoroutine(run(reactor, options))

    def interrupt() -> Deferred[None]:
        cleaned_up: Deferred[None] = Deferred()
        running.addBoth(_pass, cleaned_up)
        running.cancel()
        return cleaned_up

    reactor.addSystemEventTrigger("before", "shutdown", interrupt)
    return running


def _pass(result: Any, other: Deferred[None]) -> Any:
    other.callback(None)
    return result


async def run(reactor: Any, options: argparse.Namespace) -> None:
    """
    Run one command to its end.

    :raises SystemExit: it failed; the person has been told why.
    """
    try:
        await COMMANDS[options.command](reactor, options)
    except LonelyError:
        say("wormhole-client: the other end never came")
        raise SystemExit(FAILED) from None
    except CancelledError:
        raise SystemExit(INTERRUPTED) from None
    except EXPECTED as error:
        say(f"wormhole-client: {error}")
        raise SystemExit(FAILED) from None
