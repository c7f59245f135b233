"""
The Request machine: one command without arguments, repeated until the server has answered it.

The reference client's Allocator and Lister are two such machines, for `allocate` and `list`. Owns only
its own progress; an answer serves all requests that were made before it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import attrs
from automat import TypeMachineBuilder


class RequestMachine(Protocol):
    """The inputs of the request."""

    def connected(self) -> None:
        """The server is connected."""

    def lost(self) -> None:
        """The connection is lost."""

    def request(self) -> None:
        """An answer is wanted."""

    def answered(self, answer: Any) -> None:
        """The server has sent an answer."""


@attrs.frozen
class RequestCore:
    """
    What the transitions work on.

    :ivar kind: the `type` of the command.
    """

    kind: str
    send: Callable[[str], None]
    got_answer: Callable[[Any], None]


_build = TypeMachineBuilder(RequestMachine, RequestCore)
_idle_off = _build.state("idle, offline")
_idle_on = _build.state("idle, online")
_waiting_off = _build.state("waiting, offline")
_waiting_on = _build.state("waiting, online")

_idle_off.upon(RequestMachine.connected).to(_idle_on).returns(None)
_idle_off.upon(RequestMachine.request).to(_waiting_off).returns(None)
_idle_on.upon(RequestMachine.lost).to(_idle_off).returns(None)
_waiting_on.upon(RequestMachine.lost).to(_waiting_off).returns(None)


@_idle_on.upon(RequestMachine.request).to(_waiting_on)
@_waiting_off.upon(RequestMachine.connected).to(_waiting_on)
def _send(_: RequestMachine, core: RequestCore) -> None:
    core.send(core.kind)


@_waiting_on.upon(RequestMachine.answered).to(_idle_on)
def _answered(_: RequestMachine, core: RequestCore, answer: Any) -> None:
    core.got_answer(answer)


_waiting_off.upon(RequestMachine.request).loop().returns(None)
_waiting_on.upon(RequestMachine.request).loop().returns(None)
# An answer that was not asked for changes nothing.
for _state in (_idle_off, _idle_on, _waiting_off):
    _state.upon(RequestMachine.answered).loop().returns(None)

request_machine = _build.build()
