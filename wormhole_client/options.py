"""
The command line: which options there are, what they mean, and what they become. Owns the help; runs
nothing.
"""

import argparse
import os
from pathlib import Path
from typing import Final

from wormhole_client.codes import DEFAULT_WORDS, Code
from wormhole_client.errors import BadCodeError
from wormhole_client.hints import RelayHint, parse_helper
from wormhole_client.network import WebSocketAddress

RELAY_URL: Final = "ws://127.0.0.1:4000/v1"
TRANSIT_HELPER: Final = "tcp:127.0.0.1:4001"


def relay_url(text: str) -> str:
    try:
        return WebSocketAddress.parse(text).url
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def helper(text: str) -> RelayHint:
    try:
        return parse_helper(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def code(text: str) -> str:
    try:
        return str(Code.parse(text))
    except BadCodeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text[:9])


def endpoint(text: str) -> str:
    if ":" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not an endpoint, such as tcp:9401")
    return text


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="wormhole-client",
        description="Send and receive through a Magic Wormhole server, and prove that it works.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _send(commands.add_parser("send", help="send a text, a file or a directory"))
    _receive(commands.add_parser("receive", help="receive what somebody sends"))
    _check(commands.add_parser("check", help="prove that a server works, from here"))
    _load(commands.add_parser("load", help="put load on a server, and measure"))
    return top


def _server(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--relay-url",
        type=relay_url,
        metavar="URL",
        default=os.environ.get("WORMHOLE_RELAY_URL", RELAY_URL),
        help="the rendezvous server (default: $WORMHOLE_RELAY_URL, or %(default)s)",
    )
    command.add_argument(
        "--transit-helper",
        type=helper,
        metavar="RELAY",
        default=os.environ.get("WORMHOLE_TRANSIT_HELPER", TRANSIT_HELPER),
        help="the transit relay, tcp:HOST:PORT or a WebSocket URL "
        "(default: $WORMHOLE_TRANSIT_HELPER, or tcp:127.0.0.1:4001)",
    )


def _transfer(command: argparse.ArgumentParser) -> None:
    _server(command)
    command.add_argument("--verify", action="store_true", help="compare a verifier first")
    command.add_argument(
        "--no-listen",
        dest="listen",
        action="store_false",
        help="do not open a port, and do not tell the addresses of this machine",
    )
    command.add_argument("--tor", action="store_true", help="reach everything through Tor")
    command.add_argument(
        "--tor-control-port", metavar="ENDPOINT", help="where Tor's control port is"
    )


def _send(command: argparse.ArgumentParser) -> None:
    _transfer(command)
    command.add_argument("what", nargs="?", type=Path, help="a file or a directory")
    command.add_argument("--text", metavar="TEXT", help="send this text; '-' reads it")
    command.add_argument("--code", type=code, help="use this code instead of a new one")
    command.add_argument(
        "--code-length", type=count, default=DEFAULT_WORDS, metavar="N", help="words in the code"
    )


def _receive(command: argparse.ArgumentParser) -> None:
    _transfer(command)
    command.add_argument("code", nargs="?", type=code, help="the code; asked for if not given")
    command.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="PATH", help="directory or name to use"
    )
    command.add_argument(
        "--accept", action="store_true", help="take whatever is offered, without asking"
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace a file that exists (never a directory)"
    )


def _check(command: argparse.ArgumentParser) -> None:
    _server(command)
    command.add_argument(
        "--transit-websocket",
        type=helper,
        metavar="URL",
        help="the relay over WebSocket, such as wss://HOST/transit",
    )
    command.add_argument(
        "--size", type=count, default=4 * 2**20, metavar="BYTES", help="to send through the relay"
    )
    command.add_argument("--json", action="store_true", help="report as JSON")
    command.add_argument(
        "--watch", type=count, metavar="SECONDS", help="repeat for ever, and serve metrics"
    )
    command.add_argument(
        "--metrics",
        type=endpoint,
        default="tcp:9401:interface=127.0.0.1",
        metavar="ENDPOINT",
        help="where --watch serves them (default: %(default)s)",
    )


def _load(command: argparse.ArgumentParser) -> None:
    _server(command)
    command.add_argument("--exchanges", type=count, metavar="N", help="whole exchanges to run")
    command.add_argument("--pairs", type=count, metavar="N", help="pairs through the relay")
    command.add_argument("--idle", type=count, metavar="N", help="clients that only stay connected")
    command.add_argument(
        "--concurrency", type=count, default=10, metavar="N", help="at once (default: %(default)s)"
    )
    command.add_argument(
        "--size",
        type=count,
        default=10 * 2**20,
        metavar="BYTES",
        help="per relay pair (default: 10 MiB)",
    )
    command.add_argument(
        "--hold", type=count, metavar="SECONDS", help="keep the idle clients for so long"
    )
