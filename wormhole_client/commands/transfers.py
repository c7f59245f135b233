"""
The commands `wormhole-client send` and `wormhole-client receive`: from options to a transfer.

Owns the lines that the user sees, and a wormhole that is closed however the transfer ends.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from wormhole_client.commands.code_display import qr_lines, transfer_uri, web_link
from wormhole_client.commands.terminal import ProgressBar, ask, say, show, type_code
from wormhole_client.network.endpoints import Internet, Network
from wormhole_client.network.tor import connect_tor
from wormhole_client.transfers import messages
from wormhole_client.transfers.receiving import Receiver
from wormhole_client.transfers.sending import Outgoing, Sender, open_path
from wormhole_client.transfers.session import Confirm, TransferError, TransferProgress
from wormhole_client.transit.hints import TcpHint
from wormhole_client.wormhole import Wormhole, create

KILO: Final = 1000
UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
CLOSE_SECONDS: Final = 5.0  # for a server that no longer answers; the transfer has ended by then


async def send(reactor: Any, options: argparse.Namespace) -> None:
    """
    Send a text, a file or a directory.

    :raises Exception: nothing was sent; one of those that `cli` reports in a line.
    """
    outgoing = await _open_outgoing(reactor, options)
    try:
        network = await _network(reactor, options)
        sender = Sender(
            reactor,
            network,
            [options.transit_helper],
            options.listen,
            _confirm(reactor, options),
            _progress(options),
        )

        async def work(wormhole: Wormhole) -> None:
            if options.code is not None:
                wormhole.set_code(options.code)
            else:
                wormhole.allocate_code(options.code_length)
            code = await wormhole.get_code()
            for reason in outgoing.ignored:
                say(f"Ignoring {reason}")
            say(f"Sending {describe_offer(outgoing.offer)}")
            say(f"The code is {code}")
            for line in describe_receiving(options, code):
                say(line)
            for line in describe_qr(options, code):
                say(line)
            await sender.send(wormhole, outgoing)

        await _with_wormhole(reactor, network, options, work)
    finally:
        outgoing.close()
    say("Sent; the other end has confirmed it.")


async def receive(reactor: Any, options: argparse.Namespace) -> None:
    """
    Receive what another client sends.

    :raises Exception: nothing was received; one of those that `cli` reports in a line.
    """
    network = await _network(reactor, options)

    async def accept(offer: messages.StoredOffer, path: Path) -> bool:
        if options.only_text:
            raise TransferError(f"refused {describe_offer(offer)}: only a text is accepted")
        say(f"Receiving {describe_offer(offer)} into {str(path)!r}")
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
        _progress(options),
    )

    async def work(wormhole: Wormhole) -> None:
        if options.code is not None:
            wormhole.set_code(options.code)
        elif options.allocate:
            wormhole.allocate_code(options.code_length)
            code = await wormhole.get_code()
            say(f"The code is {code}")
            for line in describe_qr(options, code):
                say(line)
        else:
            await type_code(reactor, wormhole)
        received = await receiver.receive(wormhole)
        if isinstance(received, str):
            show(received)
        else:
            say(f"Received {str(received)!r}")

    await _with_wormhole(reactor, network, options, work)


async def _with_wormhole(
    reactor: Any,
    network: Network,
    options: argparse.Namespace,
    work: Callable[[Wormhole], Awaitable[None]],
) -> None:
    wormhole = create(options.appid, options.relay_url, reactor, network=network)
    wormhole.get_welcome().addCallbacks(_show_motd, lambda _: None)
    try:
        await work(wormhole)
    finally:
        await wormhole.close(CLOSE_SECONDS)


def _show_motd(welcome: dict[str, Any]) -> None:
    motd = welcome.get("motd")
    if isinstance(motd, str):
        for line in motd.splitlines():
            say(f"The server says: {line}")


async def _open_outgoing(reactor: Any, options: argparse.Namespace) -> Outgoing:
    if (options.what is None) == (options.text is None):
        raise TransferError("give either a file or directory, or --text")
    if options.text is not None:
        return Outgoing(
            messages.TextOffer(sys.stdin.read() if options.text == "-" else options.text)
        )
    if options.what.is_dir():
        say(f"Listing {str(options.what)!r}")
    return await open_path(reactor, options.what, ignore_unsendable=options.ignore_unsendable_files)


async def _network(reactor: Any, options: argparse.Namespace) -> Network:
    if options.tor:
        return await connect_tor(reactor, options.tor_control_port)
    return Internet(reactor)


def _confirm(reactor: Any, options: argparse.Namespace) -> Confirm | None:
    async def confirm(verifier: bytes) -> bool:
        say(f"Verifier: {verifier.hex()}")
        return await ask(reactor, "Does the other end show the same?")

    return confirm if options.verify else None


def _progress(options: argparse.Namespace) -> TransferProgress:
    return TransferProgress() if options.hide_progress else ProgressBar()


def describe_qr(options: argparse.Namespace, code: str) -> Iterator[str]:
    """Draw, where the user wants it, the links by which a browser or an app takes the code."""
    if options.qr:
        for link in (
            web_link(options.relay_url, code),
            transfer_uri(options.relay_url, code),
        ):
            yield link
            yield from qr_lines(link)


def describe_receiving(options: argparse.Namespace, code: str) -> list[str]:
    """List the commands that receive with this client, and with the reference client if it can."""
    address = options.transit_helper.hints[0]
    server = f"--relay-url={options.relay_url} --transit-helper={address}"
    lines = [f"On the other machine: wormhole-client receive {server} {code}"]
    if isinstance(address, TcpHint):  # the reference client takes no relay over WebSocket here
        lines.append(f"                  or: wormhole {server} receive {code}")
    return lines


def describe_offer(offer: messages.Offer) -> str:
    """Describe an offer in a few words."""
    match offer:
        case messages.TextOffer(text=text):
            return f"a text of {len(text)} characters"
        case messages.FileOffer(name=name, size=size):
            return f"the file {name!r} of {format_size(size)}"
        case messages.DirectoryOffer(name=name, content=content, files=files):
            return f"the directory {name!r} of {files} files, {format_size(content)} in all"


def format_size(size: int) -> str:
    """Give a number of bytes in the unit in which people would."""
    unit, number = 0, float(size)
    while number >= KILO and unit < len(UNITS) - 1:
        number /= KILO
        unit += 1
    return f"{number:.1f} {UNITS[unit]}" if unit else f"{size} bytes"
