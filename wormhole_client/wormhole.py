"""
The wormhole as applications see it: `create` or `resume` one, then ask it for what will happen,
with Deferreds or with a delegate. Owns no rules; those are the boss's and its machines'.
"""

import random
import secrets
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wormhole_client.boss import Boss
from wormhole_client.code_input import CodeInput
from wormhole_client.codes import DEFAULT_WORDS, choose_words
from wormhole_client.connection import Dial
from wormhole_client.delegate import Delegate
from wormhole_client.errors import LonelyError, Mood, WormholeClosed
from wormhole_client.eventual import EventualQueue
from wormhole_client.keys import KEY_SIZE
from wormhole_client.memory import Journal, Memory
from wormhole_client.network import Internet, Network
from wormhole_client.observers import Observers
from wormhole_client.websocket import rendezvous_dial

SIDE_BYTES: Final = 5


class Controls:
    """What both kinds of wormhole can be told."""

    _boss: Boss

    def allocate_code(self, words: int = DEFAULT_WORDS) -> None:
        """Have the server choose a nameplate, and choose random words behind it."""
        self._boss.allocate(words)

    def set_code(self, code: str) -> None:
        """
        :raises BadCodeError: the text is no code.
        :raises OnlyOneCodeError: this wormhole has one.
        """
        self._boss.set_code(code)

    def input_code(self) -> CodeInput:
        """Steps and completions for typing the code."""
        return self._boss.input_code()

    def send_message(self, plaintext: bytes) -> None:
        """
        Say something to the other end. It leaves once that has proved to have the code.

        :raises WormholeClosed: too late.
        """
        self._boss.say(plaintext)

    def derive_key(self, purpose: str, length: int = KEY_SIZE) -> bytes:
        """
        A key that the other end can derive too.

        :raises NoKeyError: before the key exchange; wait for the unverified key, or the verifier.
        """
        return self._boss.derive_key(purpose, length)

    def state(self) -> str:
        """What `resume` needs to go on in another process. Holds the code: keep it secret."""
        return self._boss.memory.dump()


class DelegatedWormhole(Controls):
    """A wormhole whose delegate is told what happens."""

    def __init__(self, boss: Boss) -> None:
        self._boss = boss

    def close(self) -> None:
        """End it; the delegate hears `wormhole_closed` with the mood."""
        self._boss.close()

    def shutdown(self) -> None:
        """Leave everything as it is; the delegate hears `wormhole_closed` without a mood."""
        self._boss.leave()


class Wormhole(Controls):
    """
    A wormhole whose events are Deferreds. Each getter may be called any number of times, before or
    after the event; each call gets a Deferred of its own. All fail with the wormhole's error.
    """

    def __init__(self, boss: Boss, observers: Observers) -> None:
        self._boss = boss
        self._observers = observers

    def get_welcome(self) -> Deferred[dict[str, Any]]:
        """The server's words to its clients."""
        return self._observers.welcome.when_fired()

    def get_code(self) -> Deferred[str]:
        """The whole code."""
        return self._observers.code.when_fired()

    def get_unverified_key(self) -> Deferred[bytes]:
        """A key that the other end has only if it has our code."""
        return self._observers.key.when_fired()

    def get_verifier(self) -> Deferred[bytes]:
        """The other end has proved that it has our code; 32 bytes that both ends may compare."""
        return self._observers.verifier.when_fired()

    def get_versions(self) -> Deferred[dict[str, Any]]:
        """What the other application said about itself."""
        return self._observers.versions.when_fired()

    def get_message(self) -> Deferred[bytes]:
        """The next message that no other call was given."""
        return self._observers.messages.when_next()

    def close(self, within: float | None = None) -> Deferred[Mood]:
        """
        End it, and take what is ours from the server; fires when that is done.

        :param within: seconds after which a server that is away is left alone.
        """
        self._boss.close()
        lonely = self._boss.mood is Mood.LONELY
        ended = (
            LonelyError("closed before the other end came") if lonely else WormholeClosed("closed")
        )
        self._observers.fail(self._boss.error or ended)
        closed = self._observers.closed.when_fired()
        if within is not None and not self._boss.over:
            giving_up = self._boss.clock.callLater(within, self._boss.leave)

            def in_time(result: Mood | Failure) -> Mood | Failure:
                if giving_up.active():
                    giving_up.cancel()
                return result

            closed.addBoth(in_time)
        return closed

    def shutdown(self) -> Deferred[str]:
        """Leave everything as it is; fires with the state when the connection is gone."""
        self._boss.leave()
        self._observers.fail(WormholeClosed("shut down"))
        return self._observers.left.when_fired().addCallback(lambda _: self.state())


def new_memory(appid: str, relay_url: str, versions: dict[str, Any] | None = None) -> Memory:
    """The memory of a wormhole that has not begun."""
    return Memory(appid, relay_url, secrets.token_hex(SIDE_BYTES), versions or {})


def begin(
    memory: Memory,
    reactor: Any,
    *,
    delegate: Delegate | None = None,
    journal: Journal | None = None,
    network: Network | None = None,
    dial: Dial | None = None,
    eventual: EventualQueue | None = None,
) -> tuple[Boss, Observers]:
    """Wire a wormhole together and connect it. For `create` and its siblings, and for tests."""
    eventual = eventual or EventualQueue(reactor)
    observers = Observers(eventual)
    boss = Boss(
        memory,
        dial or rendezvous_dial(reactor, network or Internet(reactor), memory.relay_url),
        reactor,
        eventual,
        delegate or observers,
        delegate_counts=delegate is None,
        journal=journal,
        chance=random.random,
        words=lambda count: choose_words(count, secrets.choice),
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
    journal: Journal | None = None,
    network: Network | None = None,
    eventual: EventualQueue | None = None,
) -> Wormhole:
    """
    A new wormhole, on its way to the server.

    :param versions: JSON values that the other application will see.
    :param journal: called with the state before each thing that the server is told.
    :param network: `Internet` unless told otherwise.
    :param eventual: where observers are fired; on `reactor` unless told otherwise.
    :raises ValueError: `relay_url` is no WebSocket URL.
    """
    memory = new_memory(appid, relay_url, versions)
    return Wormhole(*begin(memory, reactor, journal=journal, network=network, eventual=eventual))


def create_delegated(
    appid: str,
    relay_url: str,
    reactor: Any,
    delegate: Delegate,
    *,
    versions: dict[str, Any] | None = None,
    journal: Journal | None = None,
    network: Network | None = None,
    eventual: EventualQueue | None = None,
) -> DelegatedWormhole:
    """As `create`, for an application that prefers calls to Deferreds."""
    memory = new_memory(appid, relay_url, versions)
    boss, _ = begin(
        memory, reactor, delegate=delegate, journal=journal, network=network, eventual=eventual
    )
    return DelegatedWormhole(boss)


def resume(
    state: str,
    reactor: Any,
    *,
    journal: Journal | None = None,
    network: Network | None = None,
    eventual: EventualQueue | None = None,
) -> Wormhole:
    """
    Go on where `state` was taken. Messages that the application was given do not come again.

    :raises ValueError: `state` is nothing that this version wrote.
    """
    memory = Memory.load(state)
    return Wormhole(*begin(memory, reactor, journal=journal, network=network, eventual=eventual))


def resume_delegated(
    state: str,
    reactor: Any,
    delegate: Delegate,
    *,
    journal: Journal | None = None,
    network: Network | None = None,
    eventual: EventualQueue | None = None,
) -> DelegatedWormhole:
    """As `resume`, with a delegate."""
    boss, _ = begin(
        Memory.load(state),
        reactor,
        delegate=delegate,
        journal=journal,
        network=network,
        eventual=eventual,
    )
    return DelegatedWormhole(boss)
