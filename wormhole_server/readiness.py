"""
Whether clients should be sent here: what `/readyz` asks before it asks the database.

Owns that one fact. Who stops the server says so here first; nobody takes it back.
"""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """Where the server is in its life."""

    SERVING = "serving"  # it starts, or serves
    STOPPING = "stopping"  # it finishes what it has begun, and is to be given nothing new


class Readiness:
    """
    The server's own word on itself.

    :ivar phase: what it is doing.
    """

    def __init__(self) -> None:
        self.phase = Phase.SERVING

    @property
    def stopping(self) -> bool:
        """It is on its way out."""
        return self.phase is Phase.STOPPING

    def stop(self) -> None:
        """From now on nobody new should be sent here."""
        self.phase = Phase.STOPPING
