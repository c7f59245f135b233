"""
wormhole-william of Debian, the Go client.

Debian's version has no option for the relay, and sends no file without the public one. Here it lives in a
mount namespace of its own, whose /etc/hosts says that our relay is that one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end.processes import Program, Server
from tests.ports import own_address

_RELAY: Final = own_address()
# Where a server has its relay that the Go client uses: the public one's port.
RELAY_FLAG: Final = f"--transit=tcp:4001:interface={_RELAY}"
# Two faults of its own. Its key exchange with the Python `wormhole` failed in 1 of 334, as if the code
# were wrong. As a sender it closes its own connection to the relay when everything that it waits for there
# had arrived before the receiver's answer: in 28 of 60 whose answer was held up for 4 s.
MAY_FAIL: Final = pytest.mark.flaky(
    reruns=2, only_rerun=["decrypt", "codes differ", "use of closed network connection"]
)
CODE: Final = r"(?m)(\d+-[a-z]+-[a-z]+)\s*$"


def william(server: Server, *arguments: str, cwd: Path, answer: str | None = None) -> Program:
    """The command, with the server."""
    hosts = cwd.parent / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{_RELAY} transit.magic-wormhole.io\n")
    inside = 'mount --bind "$1" /etc/hosts; shift; exec wormhole-william "$@"'
    elsewhere = ["unshare", "--mount", "sh", "-ec", inside, "sh", str(hosts)]
    command = [*elsewhere, f"--relay-url={server.relay_url}", *arguments]
    return Program(command, cwd=cwd, answer=answer)
