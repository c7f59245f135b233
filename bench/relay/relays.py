"""
The relays that are compared, and how each is started: as its operators start it, on 127.0.0.1.
"""

import contextlib
import enum
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs

from bench.common import BOUNDS_OUT_OF_REACH, OURS, ServerProcess, free_port
from bench.relay.clients import Doors

_HAPROXY = """
global
    maxconn 1000
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    option splice-auto
    option splice-request
    option splice-response
    option abortonclose
frontend door
    bind 127.0.0.1:{door}
    default_backend receivers
backend receivers
    server receiver 127.0.0.1:{receivers}
"""


class Kind(enum.Enum):
    """A relay under test. The values are what the command line calls them."""

    THEIRS = "theirs"  # magic-wormhole-transit-relay
    HAPROXY = "haproxy"  # joins a sender to a receiver, over TCP alone: what C can do
    OURS = "ours"
    PRODUCER = "producer"  # ours with every byte through the process


TITLES = {
    Kind.THEIRS: "theirs",
    Kind.HAPROXY: "HAProxy, splice",
    Kind.OURS: "ours",
    Kind.PRODUCER: "ours, producer",
}


@attrs.frozen
class Running:
    """A relay that accepts connections."""

    pid: int
    doors: Doors
    rendezvous: int = 0


def haproxy() -> str | None:
    """Where HAProxy is installed, if it is."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@attrs.frozen
class Relays:
    """
    Starts relays, one at a time.

    :ivar other: the `bin` directory that holds theirs.
    :ivar scratch: where databases, configurations and logs go.
    """

    other: Path
    scratch: Path

    @contextlib.contextmanager
    def running(self, kind: Kind, user: int | None = None) -> Iterator[Running]:
        """A relay of `kind`, as `user` where one is given."""
        tcp, web = free_port(), free_port()
        doors = Doors(tcp, web)
        rendezvous = 0
        match kind:
            case Kind.THEIRS:
                argv = [str(self.other / "twist"), "transitrelay"]
                argv += [f"--port=tcp:{tcp}:interface=127.0.0.1"]
                argv += [f"--websocket=tcp:{web}:interface=127.0.0.1"]
            case Kind.HAPROXY:
                doors = Doors(tcp, listens=web)
                config = self.scratch / "haproxy.cfg"
                config.write_text(_HAPROXY.format(door=tcp, receivers=web))
                argv = [haproxy() or "haproxy", "-db", "-f", str(config)]
            case Kind.OURS | Kind.PRODUCER:
                doors = Doors(tcp, web, b"/transit")
                rendezvous = web
                directory = self.scratch / f"{kind.value}-{tcp}"
                directory.mkdir()
                if user is not None:
                    os.chown(directory, user, user)
                argv = [str(OURS / "wormhole-server"), "run"]
                argv += [f"--rendezvous=tcp:{web}:interface=127.0.0.1"]
                argv += [f"--transit=tcp:{tcp}:interface=127.0.0.1", "--metrics=none"]
                argv += [f"--database=sqlite:///{directory}/relay.db", *BOUNDS_OUT_OF_REACH]
                argv += ["--transit-link=producer"] if kind is Kind.PRODUCER else []
        if user is not None:
            argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
        log = self.scratch / f"{kind.value}.log"
        with ServerProcess(TITLES[kind], argv, tcp, log) as process:
            yield Running(process.pid, doors, rendezvous)
