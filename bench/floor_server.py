"""
Our rendezvous server with a ledger that answers from memory: what is left is the floor of its cost.

`python -m bench.floor_server --port=N` listens on 127.0.0.1:N. It keeps the rules only as far as the
benchmark's exchanges need them, and nothing on disk.
"""

from __future__ import annotations

import argparse
from itertools import count
from typing import cast

import attrs
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from rendezvous import requests
from rendezvous.ledger import Ledger
from rendezvous.messages import StoredMessage
from rendezvous.observer import Silent
from rendezvous.requests import Page, Request, Result
from rendezvous.server import Rendezvous
from rendezvous.subscriptions import Address
from rendezvous.websocket import RendezvousFactory


@attrs.define
class _Mailbox:
    sides: set[str] = attrs.field(factory=set)
    messages: list[StoredMessage] = attrs.field(factory=list)


class MemoryRendezvous(Rendezvous):
    """Answers every request at once."""

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, Ledger(clock), Silent())
        self._names = map(str, count(1))
        self._nameplates: dict[tuple[str, str], str] = {}
        self._mailboxes: dict[Address, _Mailbox] = {}

    def perform(self, request: Request, lane: int) -> Deferred[Result]:  # noqa: ARG002
        """See `Rendezvous.perform`."""
        return succeed(self._answer(request))

    def read_page(self, address: Address, number: int, lane: int) -> Deferred[Page]:  # noqa: ARG002
        """See `Rendezvous.read_page`."""
        box = self._mailboxes.get(address, _Mailbox())
        return succeed(Page(box.messages[number - 1 :], len(box.messages)))

    def record_client(self, record: requests.RecordClient, lane: int) -> None:
        """Note nothing."""

    def _answer(self, request: Request) -> Result:
        match request:
            case requests.AllocateNameplate(app, _):
                name = next(self._names)
                mailbox = self._nameplates[app, name] = f"mailbox-{name}"
                return requests.Claimed(name, mailbox)
            case requests.ClaimNameplate(app, _, nameplate):
                mailbox = self._nameplates.setdefault((app, nameplate), f"mailbox-{nameplate}")
                return requests.Claimed(nameplate, mailbox)
            case requests.ReleaseNameplate(app, _, nameplate):
                self._nameplates.pop((app, nameplate), None)
                return requests.Released()
            case requests.OpenMailbox(app, side, mailbox):
                box = self._mailboxes.setdefault((app, mailbox), _Mailbox())
                box.sides.add(side)
                return Page(list(box.messages), len(box.messages))
            case requests.AddMessage():
                box = self._mailboxes.setdefault((request.app, request.mailbox), _Mailbox())
                message = StoredMessage(
                    len(box.messages) + 1,
                    request.side,
                    request.phase,
                    request.body,
                    request.message_id,
                    request.received,
                )
                box.messages.append(message)
                return requests.Added(message)
            case requests.CloseMailbox(app, side, mailbox, _):
                closing = self._mailboxes.get((app, mailbox))
                if closing is not None:
                    closing.sides.discard(side)
                    if not closing.sides:
                        del self._mailboxes[app, mailbox]
                return requests.Closed()
            case requests.ListNameplates(app):
                return requests.Nameplates([name for of, name in self._nameplates if of == app])


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    rendezvous = MemoryRendezvous(cast(IReactorTime, default_reactor))
    rendezvous.heartbeat.start()
    factory = RendezvousFactory(rendezvous)
    cast(IReactorTCP, default_reactor).listenTCP(port, factory, interface="127.0.0.1")
    default_reactor.run()


if __name__ == "__main__":
    main()
