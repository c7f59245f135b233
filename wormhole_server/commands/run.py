"""
`wormhole-server run`: serve until stopped.

A composition root: it takes the process's reactor.
"""

from __future__ import annotations

import os
import time
from typing import cast

from twisted.internet.base import ReactorBase
from twisted.logger import globalLogBeginner

from wormhole_server import launch, log, signals
from wormhole_server.commands.command import Arguments, Command, Status, Terminal
from wormhole_server.sources import Loaded
from wormhole_server.systemd import notifier_from


def _run(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:  # noqa: ARG001
    # Nothing but serving needs a reactor and the whole server.
    from twisted.internet import reactor  # noqa: PLC0415, TID251

    from wormhole_server.service import make_service  # noqa: PLC0415

    threshold = log.Threshold(loaded.settings.log_level)
    observer = log.observer(terminal.err, threshold)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    service = make_service(
        loaded,
        cast(ReactorBase, reactor),
        lambda settings: threshold.set(settings.log_level),
        notifier=notifier_from(terminal.environment, os.getpid(), time.monotonic),  # noqa: TID251
    )
    signals.take_over(cast(ReactorBase, reactor), service)
    return Status(launch.run(service, reactor, terminal.say))


RUN = Command("run", "Serve rendezvous and transit relay until stopped.", _run)
