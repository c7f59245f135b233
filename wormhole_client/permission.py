"""
The permission to use a rendezvous server: a link that has it, before anything else is sent over it.

Owns the time between the opening of a link and its first command: it waits for the welcome, and computes and
submits a stamp where the welcome requires one. The computation takes a second or more, in a thread.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final, NoReturn

from twisted.internet.defer import Deferred

from wormhole_client.blocking import run_blocking
from wormhole_client.errors import ProtocolError
from wormhole_client.machines.server_messages import (
    WelcomeMessage,
    decode_message,
    encode_command,
)
from wormhole_client.network.link import Dial, LinkOwner, ServerLink
from wormhole_client.stamps import mint_stamp

WELCOME_SECONDS: Final = 30.0  # it comes with the answer to the handshake, or right behind that
_NONCE_BYTES: Final = 8


def permitted_dial(reactor: Any, dial: Dial) -> Dial:
    """
    Make a function that opens links over which commands may be sent.

    :param dial: opens links.
    :return: its Deferred fails as that of `dial`, and with `ProtocolError` where no welcome comes.
    """

    async def open_link(owner: LinkOwner) -> ServerLink:
        incoming = _Incoming(owner)
        link = await dial(incoming)
        try:
            first = await incoming.first.addTimeout(WELCOME_SECONDS, reactor, _no_welcome)
            message = decode_message(first)
            if isinstance(message, WelcomeMessage) and message.refusal() is None:
                await _submit_stamp(reactor, message, link)
        except Exception:  # a cancellation as well
            incoming.ignore()
            link.close()
            raise
        # The owner gets the link first.
        reactor.callLater(0, incoming.pass_on)
        return link

    return lambda owner: Deferred.fromCoroutine(open_link(owner))


async def _submit_stamp(reactor: Any, message: WelcomeMessage, link: ServerLink) -> None:
    required = message.stamp()
    if required is None:
        return
    # By the server's clock, which is the one that it compares with.
    now, nonce = message.server_tx or 0.0, secrets.token_hex(_NONCE_BYTES)
    stamp = await run_blocking(
        reactor,
        lambda stopped: mint_stamp(required.bits, required.resource, now, nonce, stopped),
    )
    link.send(encode_command("submit-permissions", method="hashcash", stamp=stamp))


def _no_welcome(_: object, seconds: float) -> NoReturn:
    raise ProtocolError(f"the server has sent no welcome within {seconds:.0f} seconds")


class _Incoming:
    """
    The owner of a link until its real owner has it: keeps what comes meanwhile.

    :ivar first: fires with the first message; fails where the link ends before.
    """

    def __init__(self, owner: LinkOwner) -> None:
        self.first: Deferred[bytes] = Deferred()
        self._owner: LinkOwner | None = owner
        self._kept: list[Callable[[LinkOwner], None]] | None = []

    def received(self, text: bytes) -> None:
        """Keep a message, or pass it on."""
        self._add(lambda owner: owner.received(text))
        if not self.first.called:
            self.first.callback(text)

    def lost(self) -> None:
        """Keep the end of the link, or pass it on."""
        self._add(lambda owner: owner.lost())
        if not self.first.called:
            self.first.errback(ProtocolError("the server closed the connection before its welcome"))

    def pass_on(self) -> None:
        """Pass on what was kept, and from now on everything at once."""
        kept, self._kept = self._kept or [], None
        for each in kept:
            self._call(each)

    def ignore(self) -> None:
        """There will be no owner."""
        self._owner = None
        self.pass_on()

    def _add(self, call: Callable[[LinkOwner], None]) -> None:
        if self._kept is None:
            self._call(call)
        else:
            self._kept.append(call)

    def _call(self, call: Callable[[LinkOwner], None]) -> None:
        if self._owner is not None:
            call(self._owner)
