"""
The commands that make each client use this server. No I/O.

Owns what is known about clients: their options, and which of them cannot be given a relay.
"""

from __future__ import annotations

import attrs

from wormhole_server.web.addresses import ServerAddresses


@attrs.frozen
class ClientCommands:
    """
    The commands of one client program.

    :ivar name: the name of the program.
    :ivar origin: how to install it.
    :ivar send: the command that sends a file.
    :ivar receive: the command that receives it.
    :ivar once: the command after which the options can be left out; None: the program has no such thing.
    :ivar remark: what its users should know; None: nothing.
    """

    name: str
    origin: str
    send: str
    receive: str
    once: str | None = None
    remark: str | None = None


def client_commands(addresses: ServerAddresses) -> list[ClientCommands]:
    """List the commands of all clients; none where the rendezvous server cannot be reached."""
    if addresses.relay_url is None:
        return []
    return [
        _wormhole(addresses),
        _wormhole_william(addresses.relay_url),
        _wormhole_rs(addresses.relay_url, addresses.transit_helper),
    ]


def send_command(addresses: ServerAddresses) -> str | None:
    """
    Return `wormhole --relay-url=ws://HOST:PORT/v1 --transit-helper=tcp:HOST:PORT send FILE`.

    :return: None where neither server can be reached over the internet, such as behind a Unix socket.
    """
    options = _wormhole_options(addresses)
    return f"wormhole {options} send FILE" if options else None


def page_url(addresses: ServerAddresses) -> str | None:
    """
    Return the URL of the home page, which stands beside /v1.

    :return: None where it cannot be reached over the internet.
    """
    if addresses.relay_url is None:
        return None
    scheme, rest = addresses.relay_url.split("://", 1)
    return f"{'https' if scheme == 'wss' else 'http'}://{rest.removesuffix('v1')}"


def receive_command(addresses: ServerAddresses) -> str | None:
    """
    Return the command that receives with `wormhole`, without the code.

    :return: None where neither server can be reached over the internet.
    """
    options = _wormhole_options(addresses)
    return f"wormhole {options} receive" if options else None


def _wormhole_options(addresses: ServerAddresses) -> str:
    options = []
    if addresses.relay_url is not None:
        options.append(f"--relay-url={addresses.relay_url}")
    if addresses.transit_helper is not None:
        options.append(f"--transit-helper={addresses.transit_helper}")
    return " ".join(options)


def _wormhole(addresses: ServerAddresses) -> ClientCommands:
    options = _wormhole_options(addresses)
    once = f"export WORMHOLE_RELAY_URL={addresses.relay_url}"
    if addresses.transit_helper is not None:
        once += f" WORMHOLE_TRANSIT_HELPER={addresses.transit_helper}"
    return ClientCommands(
        "wormhole",
        "Python: pip install magic-wormhole, or apt install magic-wormhole",
        f"wormhole {options} send FILE",
        f"wormhole {options} receive",
        once=once,
    )


def _wormhole_william(relay_url: str) -> ClientCommands:
    options = f"--relay-url={relay_url}"
    return ClientCommands(
        "wormhole-william",
        "Go: apt install wormhole-william",
        f"wormhole-william {options} send FILE",
        f"wormhole-william {options} receive",
        remark="It has no option for the relay: where two computers cannot connect to each other "
        "directly, it uses the public one.",
    )


def _wormhole_rs(relay_url: str, transit_helper: str | None) -> ClientCommands:
    options = f"--rendezvous-server {relay_url}"
    if transit_helper is not None:
        options += f" --relay-server tcp://{transit_helper.removeprefix('tcp:')}"
    return ClientCommands(
        "wormhole-rs",
        "Rust: cargo install magic-wormhole-cli",
        f"wormhole-rs send {options} FILE",
        f"wormhole-rs receive {options}",
    )
