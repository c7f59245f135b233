"""
The options of `wormhole-client`: their names, defaults and help, and the parsing of their values.

Runs nothing.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from twisted.internet.endpoints import serverFromString

from wormhole_client.codes import DEFAULT_WORDS, ZERO_CODE, Code
from wormhole_client.errors import BadCodeError
from wormhole_client.network.endpoints import WebSocketAddress
from wormhole_client.network.websocket import PING_SECONDS
from wormhole_client.transfers.messages import APPID
from wormhole_client.transit.hints import RelayHint, parse_helper

RELAY_URL: Final = "ws://127.0.0.1:4000/v1"
TRANSIT_HELPER: Final = "tcp:127.0.0.1:4001"
LARGEST_PORT: Final = 65535
METRICS: Final = "tcp:9401:interface=127.0.0.1"


def parse_relay_url(text: str) -> str:
    """
    Check a WebSocket URL.

    :raises argparse.ArgumentTypeError: it is none. So do the other parsers of this module.
    """
    try:
        return WebSocketAddress.parse(text).url
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_relay(text: str) -> RelayHint:
    try:
        return parse_helper(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_code(text: str) -> str:
    """Check a code; blanks around it, as pasted texts have them, are no part of it."""
    try:
        return str(Code.parse(text.strip()))
    except BadCodeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text[:9])


def parse_idle(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > PING_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {PING_SECONDS}")
    return int(text[:9])


def parse_endpoint(text: str) -> str:
    parse: Any = serverFromString
    port = re.match(r"tcp6?:(?:port=)?(\d+)", text)
    try:
        parse(None, text)
    except Exception as cause:  # each kind of endpoint has its own
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an endpoint, such as tcp:9401 ({cause})"
        ) from cause
    if port is not None and int(port[1]) > LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} has a port above {LARGEST_PORT}")
    return text


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """
    Parse a command line.

    :param arguments: without the program's name; None: those of this process.
    :raises SystemExit: with status 2 for a command line that makes no sense, which has been said.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    options, unknown = make_parser().parse_known_args(words)
    parser: argparse.ArgumentParser = options.parser
    if unknown:
        parser.error(f"there is no such option or argument: {' '.join(unknown)}")
    if options.command == "load" and not (options.exchanges or options.pairs or options.idle):
        parser.error("give at least one of --exchanges, --pairs and --idle")
    if options.command in {"send", "receive"}:
        given = [options.code is not None, options.zero, getattr(options, "allocate", False)]
        if sum(given) > 1:
            parser.error("give only one of a code, -0 and --allocate")
        if options.zero:
            options.code = ZERO_CODE
    return options


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a wrong command line in one line, without its usage before it."""

    def error(self, message: str) -> NoReturn:
        """:raises SystemExit: with status 2, after printing the message."""
        self.exit(2, f"wormhole-client: {message}; see {self.prog} --help\n")


class _ShowVersion(argparse.Action):
    """Prints the version, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version  # noqa: PLC0415 - few commands show it

        print(f"wormhole-client {version('wormhole-server')}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    top = OneLineParser(
        prog="wormhole-client",
        description="Send and receive through a Magic Wormhole server, and check that it works.",
        epilog="wormhole-client help COMMAND lists the options of a command.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, add_options) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        command.set_defaults(parser=command)
        add_options(command)
    shown: dict[str, Any] = {"nargs": 0, "default": argparse.SUPPRESS, "help": "show the version"}
    for parser in (top, *commands.choices.values()):
        parser.add_argument("-V", "--version", action=_ShowVersion, **shown)
    return top


def _server(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--relay-url",
        type=parse_relay_url,
        metavar="URL",
        default=os.environ.get("WORMHOLE_RELAY_URL", RELAY_URL),
        help=f"the rendezvous server (default: $WORMHOLE_RELAY_URL, or {RELAY_URL})",
    )
    command.add_argument(
        "--transit-helper",
        type=parse_relay,
        metavar="RELAY",
        default=os.environ.get("WORMHOLE_TRANSIT_HELPER", TRANSIT_HELPER),
        help="the transit relay, tcp:HOST:PORT or a WebSocket URL "
        f"(default: $WORMHOLE_TRANSIT_HELPER, or {TRANSIT_HELPER})",
    )


def _transfer(command: argparse.ArgumentParser) -> None:
    _server(command)
    add = command.add_argument
    add("--verify", action="store_true", help="let both users compare a verifier first")
    no_listen = "open no port, and do not send the addresses of this machine to the other end"
    add("--no-listen", dest="listen", action="store_false", help=no_listen)
    appid = "the application id; both ends need the same (default: %(default)s)"
    add("--appid", default=APPID, metavar="ID", help=appid)
    add("--hide-progress", action="store_true", help="show no progress bar")
    add("--qr", action="store_true", help="show a new code as QR codes, for a browser and for apps")
    words = "words in a new code (default: %(default)s)"
    add("-c", "--code-length", type=parse_count, default=DEFAULT_WORDS, metavar="N", help=words)
    anything = "use the code 0-, which everybody knows: only for a server of your own"
    add("-0", dest="zero", action="store_true", help=anything)
    add("--tor", action="store_true", help="make every connection through Tor")
    add("--tor-control-port", metavar="ENDPOINT", help="Tor's control port, a Twisted endpoint")


def _send(command: argparse.ArgumentParser) -> None:
    _transfer(command)
    add = command.add_argument
    add("what", nargs="?", type=Path, help="a file or a directory")
    add("--text", metavar="TEXT", help="send this text; '-' reads it from standard input")
    add("--code", type=parse_code, help="use this code instead of a new one")
    unsendable = "leave out the files of a directory that cannot be read"
    add("--ignore-unsendable-files", action="store_true", help=unsendable)


def _receive(command: argparse.ArgumentParser) -> None:
    _transfer(command)
    add = command.add_argument
    add("code", nargs="?", type=parse_code, help="the code; without it, you are asked for it")
    output = "the directory to store in, or the path to store at"
    add("-o", "--output", type=Path, default=Path(), metavar="PATH", help=output)
    add("--allocate", action="store_true", help="make a code, for the sender to give with --code")
    add("--only-text", action="store_true", help="refuse files and directories")
    add("--accept", action="store_true", help="accept every offer, without asking")
    add("--overwrite", action="store_true", help="replace an existing file (never a directory)")


def _check(command: argparse.ArgumentParser) -> None:
    _server(command)
    add = command.add_argument
    websocket = "the relay over WebSocket, such as wss://HOST/transit"
    add("--transit-websocket", type=parse_relay, metavar="URL", help=websocket)
    size = "bytes to send through the relay (default: %(default)s)"
    add("--size", type=parse_count, default=4 * 2**20, metavar="BYTES", help=size)
    idle = f"how long two connections keep still, 0 to {PING_SECONDS} (default: %(default)s)"
    add("--idle", type=parse_idle, default=PING_SECONDS, metavar="SECONDS", help=idle)
    add("--json", action="store_true", help="print the report as JSON")
    repeat = "repeat the check until stopped, and serve metrics"
    add("--watch", type=parse_count, metavar="SECONDS", help=repeat)
    metrics = "where --watch serves metrics (default: %(default)s)"
    add("--metrics", type=parse_endpoint, default=METRICS, metavar="ENDPOINT", help=metrics)


def _load(command: argparse.ArgumentParser) -> None:
    _server(command)
    add = command.add_argument
    add("--exchanges", type=parse_count, metavar="N", help="exchanges of two clients to run")
    add("--pairs", type=parse_count, metavar="N", help="pairs of clients to join through the relay")
    add("--idle", type=parse_count, metavar="N", help="clients that connect and do nothing")
    at_once = "exchanges or pairs at the same time (default: %(default)s)"
    add("--concurrency", type=parse_count, default=10, metavar="N", help=at_once)
    size = "bytes per relay pair (default: %(default)s)"
    add("--size", type=parse_count, default=10 * 2**20, metavar="BYTES", help=size)
    hold = "keep the idle clients connected for so long"
    add("--hold", type=parse_count, metavar="SECONDS", help=hold)


# The commands, with their help and what adds their options.
_COMMANDS: Final[dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "send": ("send a text, a file or a directory", _send),
    "receive": ("receive a text, a file or a directory", _receive),
    "check": ("check that a server works, from this machine", _check),
    "load": ("put load on a server, and measure its speed", _load),
}
