"""
`wormhole-client send` and `wormhole-client receive`: from options to a transfer, with a wormhole
that is closed however it ends. Owns the order in which a person is told things.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from wormhole_client import offers, sending
from wormhole_client.hints import TcpHint
from wormhole_client.network import Internet, Network
from wormhole_client.receiving import Receiver
from wormhole_client.sending import Outgoing, Sender
from wormhole_client.talk import Confirm, TransferError
from wormhole_client.terminal import Bar, ask, say, type_code
from wormhole_client.tor import connect_tor
from wormhole_client.wormhole import Wormhole, create

GOODBYE_SECONDS: Final = 5.0  # for a server that has gone; ours is done by then


async def send(reactor: Any, options: argparse.Namespace) -> None:
    """
    :raises WormholeError: (and what the network raises) nothing was sent.
    """
    outgoing = await _outgoing(reactor, options)
    try:
        network = await _network(reactor, options)
        sender = Sender(
            reactor,
            network,
            [options.transit_helper],
            options.listen,
            _confirm(reactor, options),
            Bar(),
        )

        async def work(wormhole: Wormhole) -> None:
            if options.code is not None:
                wormhole.set_code(options.code)
            else:
                wormhole.allocate_code(options.code_length)
            code = await wormhole.get_code()
            say(f"Sending {_named(outgoing.offer)}\nThe code is {code}\n{_paste(options, code)}")
            await sender.send(wormhole, outgoing)

        await _through(reactor, network, options, work)
    finally:
        outgoing.close()
    say("Sent; the other end has confirmed it.")


async def receive(reactor: Any, options: argparse.Namespace) -> None:
    """
    :raises WormholeError: (and what the network raises) nothing was received.
    """
    network = await _network(reactor, options)

    async def accept(offer: offers.File | offers.Directory, place: Path) -> bool:
        say(f"Receiving {_named(offer)} into {str(place)!r}")
        return options.accept or await ask(reactor, "ok?")

    receiver = Receiver(
        reactor,
        network,
        options.output,
        accept,
        [options.transit_helper],
        options.listen,
        options.overwrite,
        _confirm(reactor, options),
        Bar(),
    )

    async def work(wormhole: Wormhole) -> None:
        if options.code is not None:
            wormhole.set_code(options.code)
        else:
            await type_code(reactor, wormhole)
        received = await receiver.receive(wormhole)
        if isinstance(received, str):
            print(received)
        else:
            say(f"Received {str(received)!r}")

    await _through(reactor, network, options, work)


async def _through(
    reactor: Any,
    network: Network,
    options: argparse.Namespace,
    work: Callable[[Wormhole], Awaitable[None]],
) -> None:
    wormhole = create(offers.APPID, options.relay_url, reactor, network=network)
    wormhole.get_welcome().addCallbacks(_show_motd, lambda _: None)
    try:
        await work(wormhole)
    finally:
        await wormhole.close(GOODBYE_SECONDS)


def _show_motd(welcome: dict[str, Any]) -> None:
    motd = welcome.get("motd")
    if isinstance(motd, str):
        say(f"The server says: {_printable(motd)}")


async def _outgoing(reactor: Any, options: argparse.Namespace) -> Outgoing:
    if (options.what is None) == (options.text is None):
        raise TransferError("give either a file or directory, or --text")
    if options.text is not None:
        return sending.text(sys.stdin.read() if options.text == "-" else options.text)
    return await sending.path(reactor, options.what)


async def _network(reactor: Any, options: argparse.Namespace) -> Network:
    if options.tor:
        return await connect_tor(reactor, options.tor_control_port)
    return Internet(reactor)


def _confirm(reactor: Any, options: argparse.Namespace) -> Confirm | None:
    async def confirm(verifier: bytes) -> bool:
        say(f"Verifier: {verifier.hex()}")
        return await ask(reactor, "Does the other end show the same?")

    return confirm if options.verify else None


def _paste(options: argparse.Namespace, code: str) -> str:
    way = options.transit_helper.hints[0]
    where = f"--relay-url={options.relay_url} --transit-helper={way}"
    lines = [f"On the other machine: wormhole-client receive {where} {code}"]
    if isinstance(way, TcpHint):  # the other clients take no relay over WebSocket here
        lines.append(f"                  or: wormhole {where} receive {code}")
    return "\n".join(lines)


def _named(offer: offers.Offer) -> str:
    match offer:
        case offers.Text(text=text):
            return f"a text of {len(text)} letters"
        case offers.File(name=name, size=size):
            return f"the file {_printable(name)!r} of {size} bytes"
        case offers.Directory(name=name, content=content, files=files):
            return f"the directory {_printable(name)!r} of {files} files, {content} bytes in all"


def _printable(text: str) -> str:
    """A peer's text, unable to command the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
