"""
Listening with TLS: an `ssl:` endpoint becomes the port beneath it, and a factory behind TLS.

Owns the keepers of all endpoints' certificates, and how each is called in the log and in metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IProtocolFactory, IReactorTime

from wormhole_server.endpoints import Endpoint, endpoint_kind
from wormhole_server.errors import StartError
from wormhole_server.reload import Reloadable
from wormhole_server.tls.certificate import CertificateError
from wormhole_server.tls.endpoint import parse_tls_endpoint
from wormhole_server.tls.keeper import Keeper, Observer

# What is spoken inside: HTTP, but for the stream of the relay, which has no name to ask for.
_PROTOCOLS: dict[str, tuple[bytes, ...]] = {"transit": ()}
_HTTP = (b"http/1.1",)


class Tls:
    """
    TLS for all endpoints of one server.

    :param timers: for what TLS puts off until the next turn.
    :param day: the time of day.
    :param keep: has what it is given reloaded from now on.
    """

    def __init__(
        self,
        timers: IReactorTime,
        day: IReactorTime,
        observer: Observer,
        keep: Callable[[Reloadable], None],
    ) -> None:
        self._timers = timers
        self._day = day
        self._observer = observer
        self._keep = keep
        self._numbers: Counter[str] = Counter()

    def behind(
        self, option: str, endpoint: Endpoint, factory: IProtocolFactory
    ) -> tuple[str, IProtocolFactory]:
        """
        Where to listen, and what is to: both as they were where the endpoint is not an `ssl:` one.

        :param option: whose endpoint it is; the first is called after it, the second `OPTION-2`.
        :raises StartError: there is no certificate that could be used.
        """
        if endpoint_kind(endpoint) != "ssl":
            return endpoint, factory
        tls = parse_tls_endpoint(endpoint)
        self._numbers[option] += 1
        number = self._numbers[option]
        name = option if number == 1 else f"{option}-{number}"
        try:
            keeper = Keeper(
                name, tls.files, self._day, self._observer, _PROTOCOLS.get(option, _HTTP)
            )
        except CertificateError as error:
            raise StartError(f"{option}: {error}") from error
        self._keep(keeper)
        return tls.tcp, keeper.before(factory, self._timers)
