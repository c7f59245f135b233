"""
The plugin for `twistd wormhole-server` and `twist wormhole-server`.

A composition root: takes the process's reactor, environment and stderr.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import cast

from twisted.application.service import IService
from twisted.internet.base import ReactorBase
from twisted.python import usage

from wormhole_server.config.command_line import (
    VERSION_LINE,
    HelpRequest,
    parse_command_line,
    settings_help,
)
from wormhole_server.config.sources import Flags, load
from wormhole_server.errors import ConfigurationError
from wormhole_server.lifecycle import launch, signals
from wormhole_server.lifecycle.interrupts import interrupt_until_running
from wormhole_server.lifecycle.systemd import notifier_from


class Options(usage.Options):
    """
    The command line after `wormhole-server`, in the form that twistd and twist require.

    :ivar flags: the settings, and all problems of the command line.
    """

    flags = Flags()

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802 - Twisted's
        """
        Parse the words after the name of the plugin.

        :raises SystemExit: 0, after printing the help or the version.
        """
        line = parse_command_line(options or ())
        if line.request is not None:
            description = f"{self.getSynopsis()}\n\n{settings_help()}"
            print(description if line.request is HelpRequest.HELP else VERSION_LINE)
            raise SystemExit(0)
        self.flags = line.flags


def makeService(options: Options) -> IService:
    """
    Make the service that twistd and twist start.

    :raises SystemExit: 2 if the configuration is invalid, after printing why to stderr.
    """
    # twistd installs the reactor that its options choose before it calls this function.
    from twisted.internet import reactor  # noqa: PLC0415, TID251

    interrupt_until_running(cast(ReactorBase, reactor))
    try:
        loaded = load(options.flags, os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            _say(problem)
        raise SystemExit(2) from error

    from wormhole_server.service.ready import log_ready  # noqa: PLC0415
    from wormhole_server.service.server import make_service  # noqa: PLC0415

    launch.report_start_errors(_say)
    service = make_service(
        loaded,
        cast(ReactorBase, reactor),
        notifier_from(os.environ, os.getpid(), time.monotonic),  # noqa: TID251
        log_ready,
    )
    signals.handle_stop_signals(cast(ReactorBase, reactor), service)
    return launch.Launched(service, reactor, launch.exit_with)


def _say(line: str) -> None:
    # twistd redirects sys.stderr to its log.
    print(f"wormhole-server: {line}", file=sys.__stderr__)
