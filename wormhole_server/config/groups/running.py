"""
The settings for the process: its configuration file, its log and its shutdown.
"""

from __future__ import annotations

import enum

import attrs

from wormhole_server.config import kinds
from wormhole_server.config.durations import Seconds
from wormhole_server.config.option import Effect, setting


class LogFormat(enum.Enum):
    """How the log is written."""

    AUTO = "auto"  # for the journal where systemd's journal reads it, and otherwise as text
    TEXT = "text"  # lines for people
    JSON = "json"  # an object on each line
    JOURNAL = "journal"  # lines with a priority in front, without a time


@attrs.frozen(kw_only=True, slots=False)
class RunningSettings:
    """How the process runs and stops."""

    config: str | None = setting(
        kinds.FILE,
        "A TOML file with any of these options, without the dashes in front.",
        default=None,
    )
    log_level: str = setting(
        kinds.LOG_LEVEL,
        "The lowest level that `wormhole-server run` logs. "
        "twistd and twist have logs of their own, which block the server while nothing reads them, "
        "and may ignore a Ctrl-C during the start.",
        default="info",
        effect=Effect.AT_ONCE,
    )
    log_format: LogFormat = setting(
        kinds.choice("a format of the log", LogFormat),
        "How `wormhole-server run` logs: text; json, an object on each line; journal, for systemd's "
        "journal, with priorities; auto is journal where the journal reads it, and otherwise text.",
        default=LogFormat.AUTO,
        effect=Effect.AT_ONCE,
    )
    take_over: str | None = setting(
        kinds.OPTIONAL_SOCKET,
        "A Unix socket on which a server waits to be succeeded. One that is started with the same path while "
        "another serves gets its ports and the relay's connections, and cuts no transfer but those over the "
        "server's own TLS that are not finished within shutdown-timeout. Both need the same network: "
        "containers the host's.",
        default=None,
    )
    # Clients retry for a minute. Where systemd holds the relay's port, new connections wait that long for
    # the next process; half of it is enough for most transfers, and leaves time for the restart.
    shutdown_timeout: Seconds = setting(
        kinds.DURATION_OR_ZERO,
        "How long pairs in the relay may take to finish when the server stops; 0 closes them at "
        "once.",
        default=Seconds(30),
        effect=Effect.AT_ONCE,
    )
    # Another instance, or the next process here, easily takes 2000 clients a second.
    shutdown_spread: Seconds = setting(
        kinds.DURATION_OR_ZERO,
        "Over how long rendezvous clients are disconnected when the server stops, so that they do "
        "not all reconnect at once. 100 clients take a second, however long this is.",
        default=Seconds(5),
        effect=Effect.AT_ONCE,
    )
    # Needed only for a load balancer that polls /readyz, and depends on its interval.
    shutdown_delay: Seconds = setting(
        kinds.DURATION_OR_ZERO,
        "How long the server continues to serve after it is told to stop, while /readyz answers 503, "
        "so that a load balancer can notice.",
        default=Seconds(0),
        effect=Effect.AT_ONCE,
    )
