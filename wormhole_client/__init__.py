"""
A Magic Wormhole client: two programs that know the same short code meet at a rendezvous server,
agree on a key, and talk. Knows nothing of the servers in this suite but what the protocol says.

A wormhole, as a library:   `create`, `create_delegated`, `resume`, `resume_delegated`
Bytes beside it:            `wormhole_client.transit.Transit`, `wormhole_client.pipe.Pipe`
File transfer:              `wormhole_client.sending.Sender`, `wormhole_client.receiving.Receiver`
The command line:           `wormhole_client.cli`

To read it, begin with `boss`: it wires the machines `nameplate`, `mailbox`, `choosing`,
`key_exchange`, `order`, `receive`, `send` and `connection` together.
"""

from wormhole_client.delegate import Delegate
from wormhole_client.errors import (
    BadCodeError,
    LonelyError,
    Mood,
    NoKeyError,
    OnlyOneCodeError,
    ProtocolError,
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WormholeClosed,
    WormholeError,
    WrongPasswordError,
)
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
    "DelegatedWormhole",
    "LonelyError",
    "Mood",
    "NoKeyError",
    "OnlyOneCodeError",
    "ProtocolError",
    "ServerConnectionError",
    "ServerError",
    "WelcomeError",
    "Wormhole",
    "WormholeClosed",
    "WormholeError",
    "WrongPasswordError",
    "create",
    "create_delegated",
    "resume",
    "resume_delegated",
]
