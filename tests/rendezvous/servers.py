"""Makes parts of the rendezvous server, with values that tests have no wish about."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import Engine
from twisted.internet.task import Clock

from rendezvous.commands.command import Context
from rendezvous.database import open_runners
from rendezvous.ledger.ledger import Ledger, Runner
from rendezvous.observer import RendezvousObserver
from rendezvous.permissions import Permissions
from rendezvous.rules.allocation import Allocator
from rendezvous.rules.messages import MailboxLimits
from rendezvous.rules.usage import Usage
from rendezvous.server import Limits, Rendezvous
from rendezvous.sharing.accounts import Accounts, AddressLimits
from rendezvous.sharing.allowance import Shares
from rendezvous.sharing.disk import DiskReserve
from rendezvous.sharing.guesses import Guesses
from rendezvous.subscriptions import Subscriptions
from rendezvous.sweeper import Lifetimes
from rendezvous.welcome import Welcome
from wormhole_limits.bounds import BoundObserver
from wormhole_limits.buckets import Rate

WELCOME = Welcome(motd=None, error=None, current_cli_version=None)
LIMITS = Limits(
    send_buffer_bytes=4 * 1024 * 1024,
    ping_seconds=60.0,
    ping_timeout_seconds=120.0,
    pending_commands=100,
    mailbox=MailboxLimits(messages=10_000, size=8 * 1024 * 1024),
    address=AddressLimits(stored=64 * 1024 * 1024, nameplates=100, new_mailboxes=Rate(1.0, 60.0)),
    listeners=8,
    guesses=10,
    disk_reserve=0,
)
LIFETIMES = Lifetimes(
    nameplate_seconds=3600.0,
    mailbox_seconds=86400.0,
    usage_seconds=90 * 86400.0,
    interval_seconds=60.0,
)
PERMISSIONS = Permissions(bits=20, ask_all=False, ask_over_bound=False)
USAGE = Usage(blur_seconds=None)


def make_shares(limits: Limits = LIMITS) -> Shares:
    """Make what clients share, on a disk that is never full."""
    return Shares(
        Accounts(limits.address),
        Guesses(limits.guesses),
        DiskReserve(lambda: None, limits.disk_reserve),
        Subscriptions(),
        limits.listeners,
    )


def make_rendezvous(
    clock: Clock, ledger: Ledger, observer: RendezvousObserver, **others: Any
) -> Rendezvous:
    """Make a server whose two clocks are one, unless `others`, which are for `Rendezvous`, say otherwise."""
    values = {
        "bounds": BoundObserver(),
        "day": clock.seconds,
        "welcome": WELCOME,
        "limits": LIMITS,
        "lifetimes": LIFETIMES,
        "usage": USAGE,
        "list_allowed": True,
        "permissions": PERMISSIONS,
        "deny": lambda _: None,
        "over_bound": lambda _: False,
        **others,
    }
    return Rendezvous(clock, ledger=ledger, observer=observer, **values)


def make_context(**others: Any) -> Context:
    """Make what commands use of a server; `others` are for `Context`."""
    values = {
        "observer": RendezvousObserver(),
        "bounds": BoundObserver(),
        "subscriptions": Subscriptions(),
        "usage": USAGE,
        "allocator": Allocator(random.Random(7).randrange),
        "list_allowed": True,
        "mailbox_limits": LIMITS.mailbox,
        "accounts": Accounts(LIMITS.address),
        **others,
    }
    return Context(**values)


def open_test_runners(
    reactor: Clock,
    engine: Engine,
    observer: RendezvousObserver,
    *,
    lanes: int = 2,
    instance: str = "me",
) -> list[Runner]:
    """Open the runners of a ledger on a database."""
    return open_runners(reactor, engine, observer, lanes=lanes, instance=instance)  # type: ignore[arg-type]
