"""
What an application hears of a wormhole. Owns the names; says nothing itself.
"""

from typing import Any, Protocol

from wormhole_client.errors import Mood, WormholeError


class Delegate(Protocol):
    """Who is told what happens. Every call comes in a turn of its own."""

    def wormhole_got_welcome(self, welcome: dict[str, Any]) -> None:
        """The server's words to its clients, after each connect."""

    def wormhole_got_code(self, code: str) -> None:
        """The code is complete."""

    def wormhole_got_unverified_key(self, key: bytes) -> None:
        """A key, which the other end has only if it has our code."""

    def wormhole_got_verifier(self, verifier: bytes) -> None:
        """The other end has proved that it has our code."""

    def wormhole_got_versions(self, versions: dict[str, Any]) -> None:
        """What the other application said about itself."""

    def wormhole_got_message(self, plaintext: bytes) -> None:
        """The next message."""

    def wormhole_failed(self, error: WormholeError) -> None:
        """The wormhole cannot go on and closes itself."""

    def wormhole_closed(self, mood: Mood | None) -> None:
        """All is over. Without a mood it was only left, and can be resumed from its state."""
