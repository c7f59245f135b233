"""
The Magic Wormhole client: a library, and the command `wormhole-client`.

Two programs that know the same short code meet at a rendezvous server, agree on a key, and exchange
messages, files and directories. The package knows of the servers in this suite only what the protocol
says, and imports none of their packages.

- A wormhole, as a library: `create`, `create_delegated`, `resume`, `resume_delegated`
- An encrypted connection beside it: `transit.transit.Transit`
- File transfer: `transfers.sending.Sender`, `transfers.receiving.Receiver`
- Checks of a server: `checks`
- The command line: `cli`, `commands`

To read it, begin with `machines.boss`, which connects the state machines of a wormhole.
"""

from typing import TYPE_CHECKING

from wormhole_client.delegate import Delegate
from wormhole_client.errors import (
    BadCodeError,
    DelegateError,
    LonelyError,
    NoKeyError,
    OnlyOneCodeError,
    ProtocolError,
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WormholeClosed,
    WormholeError,
    WormholeMood,
    WrongPasswordError,
)

if TYPE_CHECKING:
    from wormhole_client.wormhole import (
        DelegatedWormhole,
        Wormhole,
        create,
        create_delegated,
        resume,
        resume_delegated,
    )

__all__ = [
    "BadCodeError",
    "Delegate",
    "DelegateError",
    "DelegatedWormhole",
    "LonelyError",
    "NoKeyError",
    "OnlyOneCodeError",
    "ProtocolError",
    "ServerConnectionError",
    "ServerError",
    "WelcomeError",
    "Wormhole",
    "WormholeClosed",
    "WormholeError",
    "WormholeMood",
    "WrongPasswordError",
    "create",
    "create_delegated",
    "resume",
    "resume_delegated",
]


def __getattr__(name: str) -> object:
    """Import the wormhole on first use: it needs libraries that `checks.connection_probes` does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wormhole_client import wormhole  # noqa: PLC0415 - see above

    return getattr(wormhole, name)
