"""
The network through Tor, for `--tor`.

Owns the use of txtorcon, which is an extra: this module can be imported without it.
"""

from importlib import import_module
from typing import Any

import attrs
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint


class TorError(Exception):
    """Tor cannot be used. The text says what to do."""


@attrs.frozen
class TorNetwork:
    """Connections and name look-ups through Tor. Others cannot connect to this end."""

    tor: Any
    direct: bool = False

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = self.tor.stream_via(host, port)
        return endpoint


async def connect_tor(reactor: Any, control: str | None = None) -> TorNetwork:
    """
    Connect to the Tor that runs on this machine.

    :param control: the endpoint string of its control port; None: the usual ones.
    :raises TorError: txtorcon is not installed, or no Tor answers.
    """
    try:
        txtorcon = import_module("txtorcon")
    except ImportError as cause:
        raise TorError(
            "--tor needs txtorcon, which is not installed: run pip install '.[tor]' in the checkout"
        ) from cause
    parse: Any = clientFromString
    try:
        tor = await txtorcon.connect(reactor, parse(reactor, control) if control else None)
    except Exception as cause:  # txtorcon raises many; the advice is the same for all
        raise TorError(
            f"no Tor answers at {control or 'the usual control ports'}: is it running, "
            f"with ControlPort set? ({cause})"
        ) from cause
    return TorNetwork(tor)
