"""
`wormhole-server run`: serve until stopped.

A composition root: it takes the process's reactor.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.base import ReactorBase
from twisted.logger import globalLogBeginner

from wormhole_server import launch, log
from wormhole_server.commands.command import Arguments, Command, Status, Terminal
from wormhole_server.sources import Loaded


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
    )
    return Status(launch.run(service, reactor, terminal.say))


RUN = Command("run", "Serve rendezvous and transit relay until stopped.", _run)
