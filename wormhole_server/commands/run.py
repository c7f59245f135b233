"""
The command `wormhole-server run`: serves until it is stopped.

A composition root: takes the process's reactor.
"""

from __future__ import annotations

import os
import time
from typing import IO, Any, cast

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments
from wormhole_server.config.sources import Loaded
from wormhole_server.lifecycle.garbage_collection import collection_paused
from wormhole_server.lifecycle.interrupts import (
    immediate_interrupts,
    interrupt_until_running,
)
from wormhole_server.lifecycle.standard_streams import is_journal

# For the last lines of the log, where something reads them.
_CLOSE_SECONDS = 1.0


def _run(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:  # noqa: ARG001
    with immediate_interrupts(), collection_paused():
        # Importing the reactor installs it, and the whole server is slow to import.
        from twisted.internet import reactor  # noqa: PLC0415, TID251
        from twisted.logger import globalLogBeginner  # noqa: PLC0415

        from wormhole_server.lifecycle import launch, signals  # noqa: PLC0415
        from wormhole_server.lifecycle.log import LogOutput  # noqa: PLC0415
        from wormhole_server.lifecycle.log_writer import LogWriter  # noqa: PLC0415
        from wormhole_server.lifecycle.systemd import notifier_from  # noqa: PLC0415
        from wormhole_server.service.ready import ReadyReport, log_ready, ready_block  # noqa: PLC0415
        from wormhole_server.service.server import make_service  # noqa: PLC0415
    interrupt_until_running(cast(Any, reactor))

    writer = LogWriter(terminal.err, cast(Any, reactor))
    output = LogOutput(
        cast(IO[str], writer), loaded.settings, journal=is_journal(terminal.environment)
    )
    globalLogBeginner.beginLoggingTo([output.observer], redirectStandardIO=False)

    def report_ready(report: ReadyReport) -> None:
        if terminal.err.isatty() and output.is_informal:
            writer.write(ready_block(report))
        else:
            log_ready(report)

    service = make_service(
        loaded,
        cast(Any, reactor),
        notifier_from(terminal.environment, os.getpid(), time.monotonic),  # noqa: TID251
        report_ready,
        output.change,
    )
    writer.count_lost_with(service.count_lost_log_lines)
    signals.handle_stop_signals(cast(Any, reactor), service)
    try:
        return ExitStatus(launch.run(service, reactor, output.say))
    finally:
        writer.close(_CLOSE_SECONDS)


RUN = ServerCommand("run", "Serve rendezvous and transit relay until stopped.", _run)
