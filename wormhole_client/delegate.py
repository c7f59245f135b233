"""
The delegate: the methods by which an application receives a wormhole's events.

Owns the names of the methods, and what happens to the events that an application has no method for.
"""

from typing import Any, Final

from wormhole_client.errors import WormholeError, WormholeMood


class Delegate:
    """
    A receiver of events, whose methods do nothing. Each is called in a later turn of the reactor.

    A delegate has the methods that it needs; it may be a subclass, and need not be one. What a method
    raises is logged and does not end the wormhole, except for `wormhole_got_message`.
    """

    def wormhole_got_welcome(self, welcome: dict[str, Any]) -> None:
        """Handle the server's `welcome`, after each connect."""

    def wormhole_got_code(self, code: str) -> None:
        """Handle the complete code."""

    def wormhole_got_unverified_key(self, key: bytes) -> None:
        """Handle the shared key, which the other end has only if it has the same code."""

    def wormhole_got_verifier(self, verifier: bytes) -> None:
        """Handle the proof of the other end; both users may compare the verifier's 32 bytes."""

    def wormhole_got_versions(self, versions: dict[str, Any]) -> None:
        """Handle the `versions` that the other application has given."""

    def wormhole_got_message(self, plaintext: bytes) -> None:
        """
        Handle the next message.

        If this raises, the message does not count as delivered: no other is delivered by this
        process, `wormhole_failed` is called with a `DelegateError`, and the wormhole is shut down.
        Resumed from its state it begins with this message.
        """

    def wormhole_failed(self, error: WormholeError) -> None:
        """Handle an error; the wormhole closes by itself."""

    def wormhole_closed(self, mood: WormholeMood | None) -> None:
        """Handle the end. Without a mood the wormhole can be resumed from its state."""


METHODS: Final = tuple(name for name in vars(Delegate) if name.startswith("wormhole_"))


def complete_delegate(delegate: object) -> Delegate:
    """
    Give a delegate the methods that it does not have.

    :param delegate: any object with at least one of the methods of `Delegate`.
    :raises TypeError: it has none of them.
    """
    if isinstance(delegate, Delegate):
        return delegate
    methods = {
        name: method for name in METHODS if callable(method := getattr(delegate, name, None))
    }
    if not methods:
        raise TypeError(f"the delegate has none of the methods {', '.join(METHODS)}")
    completed = Delegate()
    for name, method in methods.items():
        setattr(completed, name, method)
    return completed
