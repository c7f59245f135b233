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

    observer = log.observer(terminal.err, loaded.settings.log_level)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    return Status(
        launch.run(make_service(loaded.settings, cast(ReactorBase, reactor)), reactor, terminal.say)
    )


RUN = Command("run", "Serve rendezvous and transit relay until stopped.", _run)
