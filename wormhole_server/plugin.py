"""
`twistd wormhole-server` and `twist wormhole-server`: what the plugin line points to.

A composition root: it takes the process's reactor, environment and stderr.
"""

from __future__ import annotations

import os
import sys
import time
from typing import cast

from twisted.application.service import IService
from twisted.internet.base import ReactorBase

from wormhole_server import launch, signals
from wormhole_server.errors import ConfigurationError
from wormhole_server.options import ServerOptions
from wormhole_server.sources import load
from wormhole_server.systemd import notifier_from

Options = ServerOptions


def makeService(options: ServerOptions) -> IService:
    """
    The service as twistd and twist start it.

    :raises SystemExit: 2, where the configuration cannot be used; stderr says why.
    """
    try:
        loaded = load(options.flags, os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            _say(problem)
        raise SystemExit(2) from error

    # Only here has twistd chosen a reactor; and only what serves needs the whole server.
    from twisted.internet import reactor  # noqa: PLC0415, TID251

    from wormhole_server.service import make_service  # noqa: PLC0415

    launch.tell_in_one_line(_say)
    service = make_service(
        loaded,
        cast(ReactorBase, reactor),
        notifier=notifier_from(os.environ, os.getpid(), time.monotonic),  # noqa: TID251
    )
    signals.take_over(cast(ReactorBase, reactor), service)
    return launch.Launched(service, reactor, launch.exit_with)


def _say(line: str) -> None:
    # Not sys.stderr, which twistd turns into a log.
    print(f"wormhole-server: {line}", file=sys.__stderr__)
