"""
The permissions: which clients are asked for a hashcash stamp before they bind.

Owns that decision, which is made once for each connection. `wormhole_limits.stamps` owns what counts.
"""

from __future__ import annotations

import secrets

import attrs

from wormhole_limits.stamps import StampRequirement

# Nobody can guess the resource, and so compute stamps before the server asks for them.
_RESOURCE_BYTES = 16


@attrs.frozen
class Permissions:
    """
    Who is asked for a stamp.

    :ivar bits: zero bits of a stamp.
    :ivar ask_all: every client is asked.
    :ivar ask_over_bound: clients are asked whose address has met a bound lately.
    """

    bits: int
    ask_all: bool
    ask_over_bound: bool

    def requirement(self, *, over_bound: bool) -> StampRequirement | None:
        """
        Decide about a new connection.

        :param over_bound: whether its address has met a bound lately.
        :return: what it has to submit a stamp for; None: it may bind at once.
        """
        if self.ask_all or (self.ask_over_bound and over_bound):
            return StampRequirement(self.bits, secrets.token_hex(_RESOURCE_BYTES))
        return None
