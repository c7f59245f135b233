"""
The command line `wormhole-client`: the composition root.

Owns the reactor, the exit status, and the line for each expected error. Each command is a coroutine of
`commands`.
"""

import argparse
import os
import signal
from collections.abc import Awaitable, Callable
from importlib import import_module
from types import FrameType
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    CannotListenError,
    ConnectError,
    ConnectionAborted,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.task import react

from wormhole_client.cancellation import until_done
from wormhole_client.commands.options import parse_options
from wormhole_client.commands.terminal import say
from wormhole_client.errors import LonelyError, ServerError, WormholeError
from wormhole_client.network.tor import TorError
from wormhole_client.network.websocket import HandshakeError
from wormhole_client.transit.handshake import TransitHandshakeError
from wormhole_client.transit.race import NoConnectionError
from wormhole_client.transit.records import RecordError
from wormhole_client.transit.transit import TransitError
from wormhole_twisted.internals import call_without_log_context, run_timers_by_steady_clock

Command = Callable[[Any, argparse.Namespace], Awaitable[None]]
# The module of each command in `commands`.
MODULES: Final = {
    "check": "check",
    "load": "load",
    "receive": "transfers",
    "send": "transfers",
}
# Errors that are reported in one line. Any other is a fault of this package, and gets a traceback.
EXPECTED: Final = (
    RecordError,
    CannotListenError,
    ConnectError,
    ConnectionAborted,
    ConnectionLost,
    DNSLookupError,
    HandshakeError,
    TransitHandshakeError,
    NoConnectionError,
    OSError,
    TorError,
    TransitError,
    WormholeError,
)
# What the server's refusals mean to a user.
MEANINGS: Final = {
    "crowded": "two others have used this code already; start again with a new one",
    "reclaimed": "this code has been used up; start again with a new one",
}
FAILED: Final = 1
INTERRUPTED: Final = 130  # as shells report SIGINT


def main() -> None:
    """Run the command of `sys.argv`. The console script."""
    options = parse_options()
    command = load_command(options.command)

    def run_command(reactor: Any) -> Deferred[None]:
        run_timers_by_steady_clock(reactor)
        call_without_log_context(reactor)
        done: Deferred[None] = Deferred()

        def begin() -> None:
            end_at_second_interrupt()
            start(reactor, command, options).chainDeferred(done)

        # Not before the reactor has set its handler of SIGINT.
        reactor.callLater(0, begin)
        return done

    try:
        react(run_command)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def load_command(name: str) -> Command:
    """Import a command alone: a transfer would wait for the import of the checks, too."""
    module = import_module(f"wormhole_client.commands.{MODULES[name]}")
    command: Command = getattr(module, name)
    return command


def end_at_second_interrupt() -> None:
    """Let the first Ctrl-C do what it does, tell the other end, and a second one not wait for that."""
    stop_reactor = signal.getsignal(signal.SIGINT)
    if not callable(stop_reactor):
        return  # the reactor leaves SIGINT ignored where it was, as in the background of a shell
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            os._exit(INTERRUPTED)
        interrupted = True
        stop_reactor(number, frame)

    signal.signal(signal.SIGINT, interrupt)


def start(reactor: Any, command: Command, options: argparse.Namespace) -> Deferred[None]:
    """
    Run a command; when the reactor stops, cancel it and wait until it has cleaned up.

    :return: fires when the command has ended.
    """
    running = Deferred.fromCoroutine(run(reactor, command, options))

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


async def run(reactor: Any, command: Command, options: argparse.Namespace) -> None:
    """
    Run a command to its end.

    :raises SystemExit: it failed; the reason has been printed.
    """

    async def run_command() -> None:
        await command(reactor, options)

    try:
        await until_done(run_command())
    except LonelyError:
        say("wormhole-client: the other end did not come")
        raise SystemExit(FAILED) from None
    except CancelledError:
        raise SystemExit(INTERRUPTED) from None
    except ServerError as error:
        meaning = MEANINGS.get(str(error))
        say(f"wormhole-client: the server says {error}" + (f": {meaning}" if meaning else ""))
        raise SystemExit(FAILED) from None
    except EXPECTED as error:
        say(f"wormhole-client: {error}")
        raise SystemExit(FAILED) from None
