"""
The boss of one wormhole: wires the machines together, hears the server, decides the mood and when
all is over. Every entry is one of its `turns`; the application hears in later turns of the reactor.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from wormhole_client import (
    choosing,
    connection,
    key_exchange,
    mailbox,
    nameplate,
    order,
    receive,
    send,
    wire,
)
from wormhole_client.code_input import CodeInput
from wormhole_client.codes import Code
from wormhole_client.delegate import Delegate
from wormhole_client.errors import (
    BadCodeError,
    Mood,
    NoKeyError,
    OnlyOneCodeError,
    ProtocolError,
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WormholeClosed,
    WormholeError,
)
from wormhole_client.eventual import EventualQueue
from wormhole_client.keys import derive_for, encrypt, phase_key, verifier
from wormhole_client.memory import Journal, MailboxStage, Memory, NameplateStage
from wormhole_client.turns import Turns


class Boss:
    """See the module. The methods are what an application may ask for."""

    _log = Logger()

    def __init__(
        self,
        memory: Memory,
        dial: connection.Dial,
        clock: IReactorTime,
        eventual: EventualQueue,
        delegate: Delegate,
        *,
        delegate_counts: bool,
        journal: Journal | None,
        chance: Callable[[], float],
        words: Callable[[int], str],
    ) -> None:
        self.memory = memory
        self.clock = clock
        self._eventual = eventual
        self._delegate = delegate
        self._delegate_counts = delegate_counts  # it calls message_taken by itself
        self._words = words
        self._word_count = 0
        self._key: bytes | None = None
        self._proven = False
        self._ever_connected = False
        self._choosing = memory.code is not None
        self.mood: Mood | None = memory.mood
        self.error: WormholeError | None = None
        self.over = False

        self._turns = Turns(memory, journal, self._transmit, self._unwritten)
        self._nameplate = nameplate.nameplate(
            nameplate.Core(memory, self._turns.say, self._got_mailbox, self._check_done)
        )
        self._mailbox = mailbox.mailbox(mailbox.Core(memory, self._turns.say, self._check_done))
        self._allocator = choosing.allocator(
            choosing.AllocatorCore(self._turns.say, self._allocated)
        )
        self._input = CodeInput(self._refresh, self._claim, self._got_code)
        self._lister = choosing.lister(choosing.ListerCore(self._turns.say, self._input.listed))
        self._exchange = key_exchange.key_exchange(
            key_exchange.Core(memory, self._mailbox.add, self._got_key, self._scared)
        )
        self._send = send.send(send.Core(memory, self._mailbox.add))
        self._receive = receive.receive(
            receive.Core(
                memory, self._verified, self._got_versions, self._got_message, self._scared
            )
        )
        self._order = order.order(order.Core(self._exchange.got_pake, self._receive.got_message))
        self._connection = connection.connection(
            connection.Core(
                dial, self, clock, chance, self._online, self._offline, self._refused, self._stopped
            )
        )
        self._columns = (self._nameplate, self._mailbox, self._allocator, self._lister)

    # -- what the application asks for ------------------------------------------------------------

    def start(self) -> None:
        with self._turns:
            self._connection.start()
            if self.memory.code is not None:
                self._tell(self._delegate.wormhole_got_code, self.memory.code)
            self._check_done()

    def allocate(self, words: int) -> None:
        with self._turns:
            self._only_code()
            self._word_count = words
            self._allocator.allocate()

    def set_code(self, code: str) -> None:
        parsed = Code.parse(code)
        with self._turns:
            self._only_code()
            self._got_code(parsed)

    def input_code(self) -> CodeInput:
        with self._turns:
            self._only_code()
            self._lister.refresh()
        return self._input

    def say(self, plaintext: bytes) -> None:
        with self._turns:
            self._still_open()
            self._send.send(plaintext)

    def derive_key(self, purpose: str, length: int) -> bytes:
        if self._key is None:
            raise NoKeyError("there is no key yet")
        return derive_for(self._key, purpose, length)

    def message_taken(self) -> None:
        """The application has been given one more message."""
        with self._turns:
            self.memory.heard += 1

    def close(self) -> None:
        with self._turns:
            if self.mood is None:
                self._close(Mood.HAPPY if self._proven else Mood.LONELY)

    def leave(self) -> None:
        """Go, with whatever is unfinished at the server: to resume, or because it is gone."""
        with self._turns:
            self._connection.stop()

    # -- what the link tells ----------------------------------------------------------------------

    def received(self, text: bytes) -> None:
        with self._turns:
            self._connection.healthy()
            try:
                message = wire.decode(text)
                if message is not None:
                    self._hear(message)
            except ProtocolError as error:
                self._fail(Mood.ERRORY, error)
            except Exception:  # a mistake of ours: end this wormhole, not the application
                self._log.failure("a message of the server was not handled")
                self._fail(Mood.ERRORY, WormholeError("an internal error; the log has it"))

    def lost(self) -> None:
        with self._turns:
            self._connection.lost()

    def _hear(self, message: wire.ServerMessage) -> None:
        match message:
            case wire.Message(side=side, phase=phase):
                self._hear_mailbox(side, phase, message.octets())
            case wire.Welcome(welcome=welcome):
                self._welcome(welcome)
            case wire.Allocated(nameplate=allocated):
                self._allocator.allocated(allocated)
            case wire.Nameplates(nameplates=listed):
                self._lister.listed(frozenset(entry.id for entry in listed))
            case wire.Claimed(mailbox=found):
                self._nameplate.claimed(found)
            case wire.Released():
                self._nameplate.released()
            case wire.Closed():
                self._mailbox.closed()
            case wire.Refused(error=text, orig=orig):
                self._fail(Mood.ERRORY, ServerError(text, orig))
            case wire.Ack() | wire.Pong():
                pass

    def _hear_mailbox(self, side: str, phase: str, body: bytes) -> None:
        if side == self.memory.side:
            self._mailbox.echoed(phase)
        elif self.memory.mailbox is not None and self.mood is None:
            self._nameplate.release()
            if phase == order.PAKE:
                self._order.pake(side, body)
            else:
                self._order.other(side, phase, body)

    def _welcome(self, welcome: dict[str, Any]) -> None:
        self._tell(self._delegate.wormhole_got_welcome, welcome)
        refusal = welcome.get("error")
        required = welcome.get("permission-required")
        if isinstance(refusal, str):
            self._fail(Mood.ERRORY, WelcomeError(refusal))
        elif isinstance(required, dict) and required and "none" not in required:
            ways = ", ".join(sorted(str(way) for way in required))
            self._fail(
                Mood.ERRORY,
                WelcomeError(f"the server wants a permission this client lacks: {ways}"),
            )

    # -- what the machines tell -------------------------------------------------------------------

    def _online(self) -> None:
        self._ever_connected = True
        self._turns.say("bind", appid=self.memory.appid, side=self.memory.side)
        for machine in self._columns:
            machine.connected()

    def _offline(self) -> None:
        self._turns.forget()
        for machine in self._columns:
            machine.lost()

    def _refused(self, reason: Failure) -> None:
        if not self._ever_connected:  # a wrong address, most likely: say so instead of insisting
            self._give_up(ServerConnectionError(self.memory.relay_url, reason))

    def _got_mailbox(self, mailbox: str) -> None:
        self._mailbox.found(mailbox)

    def _stopped(self) -> None:
        self.over = True
        self._tell(self._delegate.wormhole_closed, self.mood)

    def _allocated(self, nameplate: str) -> None:
        try:
            code = Code.parse(f"{nameplate}-{self._words(self._word_count)}")
        except BadCodeError as cause:
            raise ProtocolError("the server allocated something else than a number") from cause
        self._got_code(code)

    def _refresh(self) -> None:
        with self._turns:
            self._lister.refresh()

    def _claim(self, nameplate: str) -> None:
        with self._turns:
            if self.memory.nameplate not in {None, nameplate}:
                raise OnlyOneCodeError("another nameplate is claimed already")
            self._nameplate.choose(nameplate)

    def _got_code(self, code: Code) -> None:
        with self._turns:
            self._claim(code.nameplate)
            self.memory.code = str(code)
            self._tell(self._delegate.wormhole_got_code, str(code))
            self._exchange.got_code(str(code))

    def _got_key(self, key: bytes) -> None:
        self._key = key
        self._tell(self._delegate.wormhole_got_unverified_key, key)
        if not self.memory.version_said:
            self.memory.version_said = True
            version_key = phase_key(key, self.memory.side, receive.VERSION)
            plaintext = receive.encode_versions(self.memory.versions)
            self._mailbox.add(receive.VERSION, encrypt(version_key, plaintext))
        self._receive.got_key(key)

    def _verified(self, key: bytes) -> None:
        self._proven = True
        self._tell(self._delegate.wormhole_got_verifier, verifier(key))
        self._send.verified(key)

    def _got_versions(self, plaintext: bytes) -> None:
        try:
            versions = receive.decode_versions(plaintext)
        except ProtocolError as error:
            self._fail(Mood.ERRORY, error)
        else:
            self._tell(self._delegate.wormhole_got_versions, versions)

    def _got_message(self, plaintext: bytes) -> None:
        self._tell(self._hand_over, plaintext)

    def _hand_over(self, plaintext: bytes) -> None:
        self._delegate.wormhole_got_message(plaintext)
        if not self._delegate_counts:
            self.message_taken()

    def _scared(self, error: WormholeError) -> None:
        self._fail(Mood.SCARY, error)

    # -- how it ends ------------------------------------------------------------------------------

    def _fail(self, mood: Mood, error: WormholeError) -> None:
        if self.mood is not None:  # there is no second way to close: leave it to the server
            self._connection.stop()
            return
        self._tell_failure(error)
        self._close(mood)

    def _give_up(self, error: WormholeError) -> None:
        self._tell_failure(error)
        self._connection.stop()

    def _tell_failure(self, error: WormholeError) -> None:
        self.error = error
        self._tell(self._delegate.wormhole_failed, error)

    def _close(self, mood: Mood) -> None:
        self.mood = mood
        self._nameplate.release()
        self._mailbox.close(mood)

    def _check_done(self) -> None:
        nameplate_done = self.memory.nameplate_stage is NameplateStage.DONE
        if nameplate_done and self.memory.mailbox_stage is MailboxStage.DONE:
            self._connection.stop()

    # -- small things -----------------------------------------------------------------------------

    def _transmit(self, text: bytes) -> None:
        self._connection.send(text)

    def _unwritten(self, error: Exception) -> None:
        self._give_up(WormholeError(f"the journal cannot be written: {error}"))

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        self._eventual.send(lambda: call(*args))

    def _only_code(self) -> None:
        self._still_open()
        if self._choosing:
            raise OnlyOneCodeError("the code of this wormhole is chosen already")
        self._choosing = True

    def _still_open(self) -> None:
        if self.mood is not None or self.over:
            raise WormholeClosed("the wormhole is closed")
