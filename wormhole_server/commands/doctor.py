"""
The command `wormhole-server doctor`: examines a server, and prints what is wrong and how to fix it.

A composition root: takes the process's clock and reactor.
"""

from __future__ import annotations

from collections.abc import Coroutine
from time import time as epoch_seconds  # noqa: TID251
from typing import TYPE_CHECKING, Any

from wormhole_server.commands.command import ExitStatus, ServerCommand, Terminal
from wormhole_server.config.command_line import Arguments, Parameter
from wormhole_server.config.quoting import quoted
from wormhole_server.config.sources import Loaded

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from wormhole_server.doctor.finding import Finding
    from wormhole_server.doctor.target import Target

# A busy public server. Each client takes a file descriptor, and two more while it relays.
_CLIENTS = "1000"
_NONE = "none"


def _doctor(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> ExitStatus:
    # Importing the reactor installs it, and only this command and `run` need one.
    from twisted.internet import reactor  # noqa: PLC0415, TID251

    # The checks are slow to import.
    from wormhole_server.doctor.examination import examine  # noqa: PLC0415

    clients = arguments.get("--clients") or _CLIENTS
    if not (clients.isascii() and clients.isdigit() and 1 <= len(clients) <= 9):
        terminal.say(f"--clients: {quoted(clients)} is not a number of clients; write such as 1000")
        return ExitStatus.UNUSABLE
    report = Report(terminal, as_json="--json" in arguments)
    target = make_target(loaded, arguments, int(clients))

    async def print_findings() -> None:
        async for finding in examine(target, reactor):
            report.add(finding)

    run_reactor(reactor, print_findings())
    return report.finish()


def make_target(loaded: Loaded, arguments: Arguments, clients: int) -> Target:
    """Combine the settings with the addresses that the arguments give."""
    # Imported here for the same reason as in `_doctor`.
    from wormhole_server.doctor import target  # noqa: PLC0415

    relay_url = arguments.get("--relay-url") or target.find_relay_url(loaded.settings)
    helper = arguments.get("--transit-helper") or target.find_transit_helper(loaded.settings)
    websocket = arguments.get("--transit-websocket") or target.find_transit_websocket(relay_url)
    return target.Target(
        loaded=loaded,
        relay_url=relay_url,
        transit_helper=helper,
        transit_websocket=None if websocket == _NONE else websocket,
        clients=clients,
        now=epoch_seconds,
    )


class Report:
    """Prints findings one by one, then a summary; or all of them as JSON."""

    def __init__(self, terminal: Terminal, *, as_json: bool) -> None:
        self._terminal = terminal
        self._as_json = as_json
        encoding = getattr(terminal.out, "encoding", None) or ""
        self._plain = encoding.lower().replace("-", "") != "utf8"
        self._findings: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Take the next finding."""
        from wormhole_server.doctor.finding import as_lines  # noqa: PLC0415 - see `_doctor`

        self._findings.append(finding)
        if not self._as_json:
            for line in as_lines(finding, plain=self._plain):
                print(line, file=self._terminal.out, flush=True)

    def finish(self) -> ExitStatus:
        """
        Print the rest.

        :return: whether no check failed.
        """
        from wormhole_server.doctor.finding import Level, as_json, summarize  # noqa: PLC0415

        end = as_json if self._as_json else summarize
        print(end(self._findings), file=self._terminal.out)
        failed = any(each.level is Level.FAILURE for each in self._findings)
        return ExitStatus.FAILED if failed else ExitStatus.OK


def run_reactor(reactor: Any, work: Coroutine[Deferred[Any], Any, None]) -> None:
    """
    Run the reactor until `work` is done.

    :raises Exception: what `work` raises; KeyboardInterrupt if the reactor is stopped before.
    """
    from twisted.internet.defer import Deferred  # noqa: PLC0415 - see `_doctor`
    from twisted.python.failure import Failure  # noqa: PLC0415

    results: list[object] = []

    def start() -> None:
        done = Deferred.fromCoroutine(work)
        done.addBoth(results.append)
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    if not results:
        raise KeyboardInterrupt
    for result in results:
        if isinstance(result, Failure):
            result.raiseException()


DOCTOR = ServerCommand(
    "doctor",
    "Check everything that a server needs, from its settings to two clients that meet on it.",
    _doctor,
    (
        Parameter(
            "--relay-url",
            "The rendezvous server's URL for clients. [default: --public-url, or its own port]",
            "URL",
        ),
        Parameter(
            "--transit-helper",
            "The relay's address for clients. [default: --public-transit, or its own port]",
            "tcp:HOST:PORT",
        ),
        Parameter(
            "--transit-websocket",
            "The relay's URL over WebSocket; none skips it. [default: /transit beside /v1]",
            "URL|none",
        ),
        Parameter(
            "--clients",
            "How many clients have to be able to connect at once, each of which takes file "
            f"descriptors. [default: {_CLIENTS}]",
            "N",
        ),
        Parameter("--json", "Print JSON."),
    ),
)
