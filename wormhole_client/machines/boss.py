"""
The Boss: connects the machines of one wormhole, and decides its mood and when it is over.

"Boss" is the reference client's name for it. Every input, of the application and of the server, is
processed in a context of the outbox. The application is called only in later turns of the reactor.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from wormhole_client.code_input import CodeInput
from wormhole_client.codes import Code
from wormhole_client.delegate import Delegate
from wormhole_client.errors import (
    DelegateError,
    NoKeyError,
    OnlyOneCodeError,
    ProtocolError,
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WormholeClosed,
    WormholeError,
    WormholeMood,
)
from wormhole_client.eventual import EventualQueue
from wormhole_client.keys import derive_for, encrypt, phase_key, verifier
from wormhole_client.machines import server_messages as messages
from wormhole_client.machines.code import CodeChoice
from wormhole_client.machines.connection import ConnectionCore, connection_machine
from wormhole_client.machines.key_exchange import KeyCore, key_machine
from wormhole_client.machines.mailbox import MailboxCore, mailbox_machine
from wormhole_client.machines.nameplate import NameplateCore, nameplate_machine
from wormhole_client.machines.order import PAKE, OrderCore, order_machine
from wormhole_client.machines.outbox import Outbox
from wormhole_client.machines.receive import (
    VERSION,
    ReceiveCore,
    decode_versions,
    encode_versions,
    receive_machine,
)
from wormhole_client.machines.send import SendCore, send_machine
from wormhole_client.machines.state import Journal, MailboxStage, NameplateStage, WormholeState
from wormhole_client.network.link import Dial


class Boss:
    """
    One wormhole. The inputs of the application are documented in `wormhole`.

    It is the owner of its machines: the methods by which they report are documented in their modules.

    :ivar mood: how it ended; None while it is open.
    :ivar error: why it could not go on; None if it could.
    :ivar over: whether the connection has ended for good.
    """

    _log = Logger()

    def __init__(
        self,
        state: WormholeState,
        dial: Dial,
        clock: IReactorTime,
        eventual: EventualQueue,
        delegate: Delegate,
        *,
        delegate_counts: bool,
        journal: Journal | None,
        chance: Callable[[], float],
        choose_words: Callable[[int], str],
    ) -> None:
        """
        :param delegate_counts: the delegate calls `message_taken` itself, for each message that it
            has passed on; otherwise each message counts as delivered when the delegate gets it.
        :param chance: returns a number from 0 to 1; `random.random`.
        :param choose_words: makes so many random words, joined by dashes.
        """
        self.state = state
        self.clock = clock
        self._eventual = eventual
        self._delegate = delegate
        self._delegate_counts = delegate_counts
        self._key: bytes | None = None
        self._proven = False
        self._ever_connected = False
        self._delegate_failed = False
        self.mood: WormholeMood | None = state.mood
        self.error: WormholeError | None = None
        self.over = False

        self._outbox = Outbox(state, journal, self._transmit, self._journal_failed)
        send = self._outbox.send
        self._nameplate = nameplate_machine(NameplateCore(state, send, self))
        self._mailbox = mailbox_machine(MailboxCore(state, send, self._check_done))
        self._code = CodeChoice(state, self._outbox, send, choose_words, self)
        self._key_exchange = key_machine(KeyCore(state, self._mailbox.add, self))
        self._send = send_machine(SendCore(state, self._mailbox.add))
        self._receive = receive_machine(ReceiveCore(state, self))
        self._order = order_machine(
            OrderCore(self._key_exchange.got_pake, self._receive.got_message)
        )
        self._connection = connection_machine(ConnectionCore(dial, self, clock, chance))
        self._talking = (self._nameplate, self._mailbox, self._code.allocator, self._code.lister)

    # -- inputs of the application ----------------------------------------------------------------

    def start(self) -> None:
        with self._outbox:
            self._connection.start()
            if self.state.code is not None:
                self._tell(self._delegate.wormhole_got_code, self.state.code)
            else:
                self._code.resume()
            self._check_done()

    def allocate(self, words: int) -> None:
        with self._outbox:
            self._check_open()
            self._code.allocate(words)

    def set_code(self, code: str) -> None:
        parsed = Code.parse(code)
        with self._outbox:
            self._check_open()
            self._code.set_code(parsed)

    def input_code(self) -> CodeInput:
        with self._outbox:
            self._check_open()
            return self._code.input_code()

    def send(self, plaintext: bytes) -> None:
        with self._outbox:
            self._check_open()
            self._send.send(plaintext)

    def derive_key(self, purpose: str, length: int) -> bytes:
        if self._key is None:
            raise NoKeyError("there is no key yet: wait for the unverified key or the verifier")
        return derive_for(self._key, purpose, length)

    def message_taken(self) -> None:
        """The application has been given one more message."""
        with self._outbox:
            self.state.messages_delivered += 1

    def close(self) -> None:
        with self._outbox:
            if self.mood is None:
                self._close(WormholeMood.HAPPY if self._proven else WormholeMood.LONELY)

    def leave(self) -> None:
        """End the connection with whatever is unfinished at the server."""
        with self._outbox:
            self._connection.stop()

    # -- inputs of the link -----------------------------------------------------------------------

    def received(self, text: bytes) -> None:
        with self._outbox:
            self._connection.healthy()
            try:
                message = messages.decode_message(text)
                if message is not None:
                    self._handle(message)
            except ProtocolError as error:
                self._fail(WormholeMood.ERRORY, error)
            except Exception:  # a fault of this package: end this wormhole, not the application
                self._log.failure("A message of the rendezvous server was not handled.")
                internal = WormholeError("an internal error; the log has its traceback")
                self._fail(WormholeMood.ERRORY, internal)

    def lost(self) -> None:
        with self._outbox:
            self._connection.lost()

    def _handle(self, message: messages.ServerMessage) -> None:
        match message:
            case messages.MailboxMessage(side=side, phase=phase):
                self._handle_mailbox(side, phase, message.octets())
            case messages.WelcomeMessage():
                self._handle_welcome(message)
            case messages.AllocatedMessage(nameplate=allocated):
                self._code.allocator.answered(allocated)
            case messages.NameplatesMessage(nameplates=listed):
                self._code.lister.answered(frozenset(entry.id for entry in listed))
            case messages.ClaimedMessage(mailbox=found):
                self._nameplate.claimed(found)
            case messages.ReleasedMessage():
                self._nameplate.released()
            case messages.ClosedMessage():
                self._mailbox.closed()
            case messages.ErrorMessage(error=text, orig=orig):
                self._fail(WormholeMood.ERRORY, ServerError(text, orig))
            case messages.AckMessage() | messages.PongMessage():
                pass

    def _handle_mailbox(self, side: str, phase: str, body: bytes) -> None:
        if side == self.state.side:
            self._mailbox.echoed(phase)
        elif self.state.mailbox is not None and self.mood is None:
            self._nameplate.release()
            if phase == PAKE:
                self._order.pake(side, body)
            else:
                self._order.other(side, phase, body)

    def _handle_welcome(self, message: messages.WelcomeMessage) -> None:
        self._tell(self._delegate.wormhole_got_welcome, message.welcome)
        refusal = message.refusal()
        if refusal is not None:
            self._fail(WormholeMood.ERRORY, WelcomeError(refusal))

    # -- outputs of the machines ------------------------------------------------------------------

    def online(self) -> None:
        self._ever_connected = True
        self._outbox.send("bind", appid=self.state.appid, side=self.state.side)
        for machine in self._talking:
            machine.connected()

    def offline(self) -> None:
        self._outbox.clear()
        for machine in self._talking:
            machine.lost()

    def refused(self, reason: Failure) -> None:
        if (
            not self._ever_connected
        ):  # most likely the URL is wrong: fail instead of trying for ever
            self._give_up(ServerConnectionError(self.state.relay_url, reason))

    def got_mailbox(self, mailbox: str) -> None:
        self._mailbox.found(mailbox)

    def nameplate_done(self) -> None:
        self._check_done()

    def stopped(self) -> None:
        self.over = True
        self._tell(self._delegate.wormhole_closed, self.mood)

    def claim(self, nameplate: str) -> None:
        with self._outbox:
            if self.state.nameplate not in {None, nameplate}:
                raise OnlyOneCodeError("this wormhole has claimed another nameplate already")
            self._nameplate.choose(nameplate)

    def got_code(self, code: Code) -> None:
        with self._outbox:
            self.claim(code.nameplate)
            self.state.code = str(code)
            self._tell(self._delegate.wormhole_got_code, str(code))
            self._key_exchange.got_code(str(code))

    def got_key(self, key: bytes) -> None:
        self._key = key
        self._tell(self._delegate.wormhole_got_unverified_key, key)
        if not self.state.version_sent:
            self.state.version_sent = True
            version_key = phase_key(key, self.state.side, VERSION)
            self._mailbox.add(VERSION, encrypt(version_key, encode_versions(self.state.versions)))
        self._receive.got_key(key)

    def verified(self, key: bytes) -> None:
        self._proven = True
        self._tell(self._delegate.wormhole_got_verifier, verifier(key))
        self._send.verified(key)

    def got_versions(self, plaintext: bytes) -> None:
        try:
            versions = decode_versions(plaintext)
        except ProtocolError as error:
            self._fail(WormholeMood.ERRORY, error)
        else:
            self._tell(self._delegate.wormhole_got_versions, versions)

    def got_message(self, plaintext: bytes) -> None:
        self._tell(self._deliver, plaintext)

    def _deliver(self, plaintext: bytes) -> None:
        if self._delegate_failed:
            return
        try:
            self._delegate.wormhole_got_message(plaintext)
        except Exception as error:
            # The message was not processed, and those behind it would be out of order.
            self._log.failure("The delegate failed to handle a message.")
            self._delegate_failed = True
            if self.mood is None and not self.over:
                kind = type(error).__name__
                with self._outbox:
                    self._give_up(DelegateError(f"the delegate raised {kind}: {error}"))
        else:
            if not self._delegate_counts:
                self.message_taken()

    def scared(self, error: WormholeError) -> None:
        self._fail(WormholeMood.SCARY, error)

    # -- the end ----------------------------------------------------------------------------------

    def _fail(self, mood: WormholeMood, error: WormholeError) -> None:
        if self.mood is not None:  # it is closing already; the server expires what is left there
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

    def _close(self, mood: WormholeMood) -> None:
        self.mood = mood
        self._nameplate.release()
        self._mailbox.close(mood)

    def _check_done(self) -> None:
        nameplate_done = self.state.nameplate_stage is NameplateStage.DONE
        if nameplate_done and self.state.mailbox_stage is MailboxStage.DONE:
            self._connection.stop()

    # -- helpers ----------------------------------------------------------------------------------

    def _transmit(self, text: bytes) -> None:
        self._connection.send(text)

    def _journal_failed(self, error: Exception) -> None:
        self._give_up(WormholeError(f"the journal cannot be written: {error}"))

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        self._eventual.send(lambda: call(*args))

    def _check_open(self) -> None:
        if self.mood is not None or self.over:
            raise WormholeClosed("the wormhole is closed")
