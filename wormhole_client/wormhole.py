"""
The wormhole as applications use it, with Deferreds or with a delegate.

Owns the API; the rules are those of the boss and its machines. An application creates a wormhole, or
resumes one from the state of another process.
"""

import random
import secrets
from typing import Any, Final, TypedDict, Unpack

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wormhole_client.code_input import CodeInput
from wormhole_client.codes import DEFAULT_WORDS, choose_words
from wormhole_client.delegate import complete_delegate
from wormhole_client.errors import LonelyError, WormholeClosed, WormholeMood
from wormhole_client.eventual import EventualQueue
from wormhole_client.keys import KEY_SIZE
from wormhole_client.machines.boss import Boss
from wormhole_client.machines.receive import encode_versions
from wormhole_client.machines.state import Journal, WormholeState
from wormhole_client.network.endpoints import Internet, Network
from wormhole_client.network.link import Dial, server_dial
from wormhole_client.observers import WormholeObservers
from wormhole_client.permission import permitted_dial

SIDE_BYTES: Final = 5


class WormholeOptions(TypedDict, total=False):
    """
    What every way to make a wormhole takes.

    :ivar journal: is called with the state before the server is sent anything that the state holds.
    :ivar network: `Internet` by default.
    :ivar eventual: calls the application; by default a queue on the reactor.
    """

    journal: Journal | None
    network: Network | None
    eventual: EventualQueue | None


class WormholeControls:
    """The calls that both kinds of wormhole have."""

    _boss: Boss

    def allocate_code(self, words: int = DEFAULT_WORDS) -> None:
        """
        Let the server choose a nameplate, and choose random words.

        :param words: how many; each is 8 bits.
        :raises ValueError: it is less than one.
        :raises OnlyOneCodeError: this wormhole has a code already.
        :raises WormholeClosed: it is closed.
        """
        if words < 1:
            raise ValueError("a code has at least one word")
        self._boss.allocate(words)

    def set_code(self, code: str) -> None:
        """
        Use a code that the application knows.

        :raises BadCodeError: the text is not a code.
        :raises OnlyOneCodeError: this wormhole has a code already.
        :raises WormholeClosed: it is closed.
        """
        self._boss.set_code(code)

    def input_code(self) -> CodeInput:
        """
        Let the user type the code, with completions.

        :raises OnlyOneCodeError: this wormhole has a code already.
        :raises WormholeClosed: it is closed.
        """
        return self._boss.input_code()

    def send_message(self, plaintext: bytes) -> None:
        """
        Send a message. It leaves once the other end has proved that it has the code.

        :raises TypeError: it is not `bytes`; encode a text first.
        :raises WormholeClosed: the wormhole is closed.
        """
        if not isinstance(plaintext, bytes):
            raise TypeError(f"a message is bytes, and this is {type(plaintext).__name__}")
        self._boss.send(plaintext)

    def derive_key(self, purpose: str, length: int = KEY_SIZE) -> bytes:
        """
        Derive a key that the other end can derive too.

        :param length: in bytes.
        :raises NoKeyError: the key exchange has not ended; wait for the verifier.
        """
        return self._boss.derive_key(purpose, length)

    def state(self) -> str:
        """Encode what `resume` needs. The text holds the code, and has to be kept secret."""
        return self._boss.state.dump()


class DelegatedWormhole(WormholeControls):
    """A wormhole that calls a delegate."""

    def __init__(self, boss: Boss) -> None:
        self._boss = boss

    def close(self) -> None:
        """Close the wormhole; `wormhole_closed` is called with its mood."""
        self._boss.close()

    def shutdown(self) -> None:
        """End the connection, to resume later; `wormhole_closed` is called without a mood."""
        self._boss.leave()


class Wormhole(WormholeControls):
    """
    A wormhole whose events are Deferreds.

    Each getter may be called repeatedly, before or after its event; each call has a Deferred of its
    own. All fail with the wormhole's error if it cannot go on.
    """

    def __init__(self, boss: Boss, observers: WormholeObservers) -> None:
        self._boss = boss
        self._observers = observers

    def get_welcome(self) -> Deferred[dict[str, Any]]:
        """Get the `welcome` of the server."""
        return self._observers.welcome.when_fired()

    def get_code(self) -> Deferred[str]:
        """Get the complete code."""
        return self._observers.code.when_fired()

    def get_unverified_key(self) -> Deferred[bytes]:
        """Get the shared key, which the other end has only if it has the same code."""
        return self._observers.key.when_fired()

    def get_verifier(self) -> Deferred[bytes]:
        """Get the verifier, 32 bytes for both users to compare, once the other end has proved its key."""
        return self._observers.verifier.when_fired()

    def get_versions(self) -> Deferred[dict[str, Any]]:
        """Get the `versions` that the other application has given."""
        return self._observers.versions.when_fired()

    def get_message(self) -> Deferred[bytes]:
        """Get the next message that no other call was given."""
        return self._observers.messages.when_next()

    def close(self, within: float | None = None) -> Deferred[WormholeMood]:
        """
        Close the wormhole, and release what it has on the server.

        :param within: seconds after which a server that does not answer is no longer waited for.
        :return: fires with the mood when that is done.
        """
        self._boss.close()
        lonely = self._boss.mood is WormholeMood.LONELY
        ended = (
            LonelyError("closed before the other end came") if lonely else WormholeClosed("closed")
        )
        self._observers.fail(self._boss.error or ended)
        closed = self._observers.closed.when_fired()
        if within is not None and not self._boss.over:
            giving_up = self._boss.clock.callLater(within, self._boss.leave)

            def cancel_timer(result: WormholeMood | Failure) -> WormholeMood | Failure:
                if giving_up.active():
                    giving_up.cancel()
                return result

            closed.addBoth(cancel_timer)
        return closed

    def shutdown(self) -> Deferred[str]:
        """
        End the connection, to resume later.

        :return: fires with the state when the connection has ended.
        """
        self._boss.leave()
        self._observers.fail(WormholeClosed("shut down"))
        return self._observers.left.when_fired().addCallback(lambda _: self.state())


def new_state(appid: str, relay_url: str, versions: dict[str, Any] | None = None) -> WormholeState:
    """
    Make the state of a wormhole that has not begun, with a random side.

    :raises TypeError: the application id is not a text, or `versions` has a value that JSON has not.
    """
    if not isinstance(appid, str):
        raise TypeError(f"an application id is a str, and this is {type(appid).__name__}")
    encode_versions(versions or {})
    return WormholeState(appid, relay_url, secrets.token_hex(SIDE_BYTES), versions or {})


def begin(
    state: WormholeState,
    reactor: Any,
    *,
    delegate: object | None = None,
    journal: Journal | None = None,
    network: Network | None = None,
    dial: Dial | None = None,
    eventual: EventualQueue | None = None,
) -> tuple[Boss, WormholeObservers]:
    """
    Connect the parts of a wormhole, and begin. For `create` and its siblings, the probes, and tests.

    :param delegate: receives the events; None: the observers do.
    :param dial: opens links; None: over WebSocket and `network`.
    """
    eventual = eventual or EventualQueue(reactor)
    observers = WormholeObservers(eventual)
    boss = Boss(
        state,
        dial
        or permitted_dial(
            reactor, server_dial(reactor, network or Internet(reactor), state.relay_url)
        ),
        reactor,
        eventual,
        observers if delegate is None else complete_delegate(delegate),
        delegate_counts=delegate is None,
        journal=journal,
        chance=random.random,
        choose_words=lambda count: choose_words(count, secrets.choice),
    )
    observers.taken = boss.message_taken
    boss.start()
    return boss, observers


def create(
    appid: str,
    relay_url: str,
    reactor: Any,
    *,
    versions: dict[str, Any] | None = None,
    **options: Unpack[WormholeOptions],
) -> Wormhole:
    """
    Create a wormhole, and begin to connect it to the server.

    :param relay_url: of the rendezvous server, `ws://` or `wss://`.
    :param versions: JSON values for the other application.
    :param options: see `WormholeOptions`.
    :raises ValueError: `relay_url` is not a WebSocket URL.
    """
    state = new_state(appid, relay_url, versions)
    return Wormhole(*begin(state, reactor, **options))


def create_delegated(
    appid: str,
    relay_url: str,
    reactor: Any,
    delegate: object,
    *,
    versions: dict[str, Any] | None = None,
    **options: Unpack[WormholeOptions],
) -> DelegatedWormhole:
    """
    Create a wormhole that calls a delegate. As `create`.

    :param delegate: an object with some of the methods of `Delegate`.
    :raises TypeError: it has none of them.
    :raises ValueError: `relay_url` is not a WebSocket URL.
    """
    state = new_state(appid, relay_url, versions)
    boss, _ = begin(state, reactor, delegate=delegate, **options)
    return DelegatedWormhole(boss)


def resume(
    state: str,
    reactor: Any,
    **options: Unpack[WormholeOptions],
) -> Wormhole:
    """
    Resume a wormhole. Messages that the application was given do not come again.

    :param state: what `state` returned or the journal was given. The others as in `create`.
    :raises ValueError: the text is not a state of this version.
    """
    return Wormhole(*begin(WormholeState.load(state), reactor, **options))


def resume_delegated(
    state: str,
    reactor: Any,
    delegate: object,
    **options: Unpack[WormholeOptions],
) -> DelegatedWormhole:
    """
    Resume a wormhole that calls a delegate. As `resume`.

    :raises ValueError: the text is not a state of this version.
    """
    boss, _ = begin(WormholeState.load(state), reactor, delegate=delegate, **options)
    return DelegatedWormhole(boss)
