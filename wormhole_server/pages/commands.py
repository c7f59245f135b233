"""
How each client is told to use this server: the commands, letter by letter. Pure.

Owns what is known of clients: their options, and what they cannot be told.
"""

from __future__ import annotations

import attrs

from wormhole_server.reach import Reach


@attrs.frozen
class Client:
    """
    One client program.

    :ivar name: what it is called.
    :ivar origin: whence to get it.
    :ivar send: the command that sends a file.
    :ivar receive: the command that receives it.
    :ivar once: the command after which the options can be left out.
    :ivar remark: what is to be known besides.
    """

    name: str
    origin: str
    send: str
    receive: str
    once: str | None = None
    remark: str | None = None


def clients(reach: Reach) -> list[Client]:
    """The clients that can use what is reached so; none where no rendezvous server is."""
    if reach.relay_url is None:
        return []
    return [_python(reach), _go(reach.relay_url), _rust(reach)]


def _python(reach: Reach) -> Client:
    options = f"--relay-url={reach.relay_url}"
    variables = f"WORMHOLE_RELAY_URL={reach.relay_url}"
    if reach.transit_helper is not None:
        options += f" --transit-helper={reach.transit_helper}"
        variables += f" WORMHOLE_TRANSIT_HELPER={reach.transit_helper}"
    return Client(
        "wormhole",
        "Python: pip install magic-wormhole, or apt install magic-wormhole",
        f"wormhole {options} send FILE",
        f"wormhole {options} receive",
        once=f"export {variables}",
    )


def _go(relay_url: str) -> Client:
    options = f"--relay-url={relay_url}"
    return Client(
        "wormhole-william",
        "Go: apt install wormhole-william",
        f"wormhole-william {options} send FILE",
        f"wormhole-william {options} receive",
        remark="It has no option for a relay of one's own: where two computers cannot reach each other "
        "directly, it takes the public one.",
    )


def _rust(reach: Reach) -> Client:
    options = f"--rendezvous-server {reach.relay_url}"
    if reach.transit_helper is not None:
        options += f" --relay-server tcp://{reach.transit_helper.removeprefix('tcp:')}"
    return Client(
        "wormhole-rs",
        "Rust: cargo install magic-wormhole-cli",
        f"wormhole-rs send {options} FILE",
        f"wormhole-rs receive {options}",
    )
