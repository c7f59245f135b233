"""
`wormhole-server doctor`: whatever is wrong with this server, in plain words, each with its mend.

A composition root: it takes the process's clock.
"""

from __future__ import annotations

from twisted.python.runtime import seconds as epoch_seconds

from wormhole_server.commands.command import Arguments, Command, Parameter, Status, Terminal
from wormhole_server.sources import Loaded
from wormhole_server.words import quoted

# A busy server of a community; a file descriptor each, and twice that for those who relay.
_CLIENTS = "1000"
_NONE = "none"


def _doctor(loaded: Loaded, arguments: Arguments, terminal: Terminal) -> Status:
    # No other command pays for what only this one needs.
    from wormhole_server.doctor import case  # noqa: PLC0415
    from wormhole_server.doctor.examination import examine  # noqa: PLC0415
    from wormhole_server.doctor.finding import Level, as_json, as_lines, in_sum  # noqa: PLC0415

    clients = arguments.get("--clients") or _CLIENTS
    if not (clients.isascii() and clients.isdigit() and 1 <= len(clients) <= 9):
        terminal.say(f"--clients: {quoted(clients)} is not a number of clients; write such as 1000")
        return Status.UNUSABLE
    url = arguments.get("--relay-url") or case.relay_url(loaded.settings)
    websocket = arguments.get("--transit-websocket") or case.transit_websocket(url)
    patient = case.Case(
        loaded=loaded,
        relay_url=url,
        transit_helper=arguments.get("--transit-helper") or case.transit_helper(loaded.settings),
        transit_websocket=None if websocket == _NONE else websocket,
        clients=int(clients),
        now=epoch_seconds,
    )
    plain = (getattr(terminal.out, "encoding", None) or "").lower().replace("-", "") != "utf8"
    findings = []
    for finding in examine(patient):
        findings.append(finding)
        if "--json" not in arguments:
            for line in as_lines(finding, plain=plain):
                print(line, file=terminal.out, flush=True)
    print(as_json(findings) if "--json" in arguments else in_sum(findings), file=terminal.out)
    failed = any(finding.level is Level.FAILURE for finding in findings)
    return Status.FAILED if failed else Status.OK


DOCTOR = Command(
    "doctor",
    "Look at everything that a server needs, from its settings to two clients that meet on it.",
    _doctor,
    (
        Parameter(
            "--relay-url",
            "Where clients reach the rendezvous server; --public-url, or its own port.",
            "URL",
        ),
        Parameter(
            "--transit-helper",
            "Where they reach the relay; --public-transit, or its own port.",
            "tcp:HOST:PORT",
        ),
        Parameter(
            "--transit-websocket",
            "Where they reach it over WebSocket; /transit beside /v1. none leaves it out.",
            "URL|none",
        ),
        Parameter("--clients", f"How many at once there have to be files for; {_CLIENTS}.", "N"),
        Parameter("--json", "As JSON."),
    ),
)
