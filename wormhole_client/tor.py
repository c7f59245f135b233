"""
The network through Tor, for `--tor`. Owns the use of txtorcon, which is an extra: without it this
module can be imported and says what is missing.
"""

from importlib import import_module
from typing import Any

import attrs
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint


class TorError(Exception):
    """There is no Tor to use. The text says what to do."""


@attrs.frozen
class TorNetwork:
    """Every connection and every name look-up goes through Tor; nobody can connect to us."""

    tor: Any
    direct: bool = False

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = self.tor.stream_via(host, port)
        return endpoint


async def connect_tor(reactor: Any, control: str | None = None) -> TorNetwork:
    """
    Use the Tor that runs on this machine.

    :param control: endpoint string of its control port, if not at a usual place.
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
    except Exception as cause:  # whatever txtorcon meets, the answer is the same
        raise TorError(
            f"no Tor answers at {control or 'the usual control ports'}: is it running, "
            f"with ControlPort set? ({cause})"
        ) from cause
    return TorNetwork(tor)
