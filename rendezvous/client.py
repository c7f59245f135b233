"""
One client, as the server sees it.

Owns the order of a client's answers, how much may wait for it and from it, and that whatever it sends
gets an answer. What it may say is `conversation`'s, what comes of it `server`'s; how bytes reach it is its
wire's.

A command is acknowledged, and its answer follows, before the next command's acknowledgement leaves,
however the results of the ledger arrive. A stored message is sent on behind that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous import messages, requests
from rendezvous.addresses import describe
from rendezvous.conversation import Conversation, Reply, Say
from rendezvous.errors import ErrorKind, LedgerUnavailable, OutcomeUnknown, Refusal
from rendezvous.frames import PING, pong_frame, text_frame
from rendezvous.messages import Incoming, StoredMessage
from rendezvous.observer import DropReason
from rendezvous.requests import Page, Request, Result
from rendezvous.server import Rendezvous
from rendezvous.subscriptions import Address, Subscription

_log = Logger()


class Wire(Protocol):
    """What carries bytes to a client and back."""

    def write(self, frame: bytes) -> None:
        """Send a frame; do nothing where the connection is closing."""

    def pause(self) -> None:
        """Read nothing more from the client."""

    def resume(self) -> None:
        """Read again."""

    def drop(self, *, flush: bool) -> None:
        """End the connection, after what has been written where `flush` is set."""


class _Turn:
    """
    A command whose answer leaves when it is ready and all before it have left.

    :ivar asked: when the ledger was asked; None where it was not.
    :ivar granted: what the ledger was asked and what it said, for what follows from it.
    :ivar told: whether everybody else knows of it.
    """

    __slots__ = ("asked", "granted", "incoming", "payload", "ready", "reply", "told")

    def __init__(self, incoming: Incoming, payload: bytes) -> None:
        self.incoming = incoming
        self.payload = payload
        self.ready = False
        self.reply: Reply | Refusal | None = None
        self.asked: float | None = None
        self.granted: tuple[Request, Result] | None = None
        self.told = False


class Client:
    """
    What goes on between a client and the server, from the end of the handshake on.

    :param frame_of: the frame of a stored message, encoded once for all who get it.
    """

    __slots__ = (
        "_clock",
        "_conversation",
        "_dropped",
        "_frame_of",
        "_full",
        "_gone",
        "_holding_input",
        "_lane",
        "_listening_since",
        "_observer",
        "_present",
        "_rendezvous",
        "_subscription",
        "_turns",
        "_waiting_bytes",
        "_wanted_page",
        "_wire",
        "heard",
        "silent_rounds",
        "slot",
    )

    def __init__(
        self, rendezvous: Rendezvous, wire: Wire, frame_of: Callable[[StoredMessage], bytes]
    ) -> None:
        self._rendezvous = rendezvous
        self._observer = rendezvous.observer
        self._clock = rendezvous.clock
        self._wire = wire
        self._frame_of = frame_of
        self._conversation = Conversation()
        self._lane = rendezvous.new_lane()
        self._gone = False
        self._dropped = False
        # A list, for it is nearly always empty, and short when it is not.
        self._turns: list[_Turn] = []
        self._subscription: Subscription | None = None
        self._listening_since = 0.0
        self._present: set[Address] = set()
        # What waits for the client, once its wire has said that it is full.
        self._full = False
        self._waiting_bytes = 0
        self._wanted_page: int | None = None
        self._holding_input = False
        self.heard = True
        self.silent_rounds = 0
        self.slot = 0

    def greet(self, peer: IAddress) -> None:
        """The handshake is over."""
        self._observer.connected()
        self._rendezvous.heartbeat.add(self)
        values = self._rendezvous.welcome.values(describe(peer))
        self._send(messages.welcome(values, self._clock.seconds()))

    def received(self, payload: bytes) -> None:
        """One command."""
        if self._dropped:
            return
        try:
            self._take(payload)
        except Exception:  # ours, whatever it is
            self._answer_broken(Failure(), payload)

    def lost(self) -> None:
        """Forget the client; what it has asked for takes place all the same."""
        self._gone = True
        self._observer.disconnected()
        self._rendezvous.heartbeat.remove(self)
        self._rendezvous.stalled.discard(self)
        self._unsubscribe()
        self._rendezvous.left(self._present, self._lane)
        self._present.clear()
        self._turns.clear()

    def full(self) -> None:
        """The wire holds enough, and says so at every write: what is sent from now on is counted."""
        if not self._full:
            self._full = True
            self._waiting_bytes = 0
            self._rendezvous.stalled.add(self)

    def drained(self) -> None:
        """The client has read what waited for it."""
        self._full = False
        self._rendezvous.stalled.discard(self)
        if self._wanted_page is not None:
            number, self._wanted_page = self._wanted_page, None
            self._fetch(number)

    @property
    def waiting_bytes(self) -> int:
        """What waits for it, beyond what its wire holds anyway."""
        return self._waiting_bytes if self._full else 0

    def beat(self) -> None:
        """Send a ping."""
        self._write(PING)

    def flatline(self) -> None:
        """The client has been silent for too long."""
        if self._dropped:
            # It does not even read its last words.
            self._wire.drop(flush=False)
        self._drop(DropReason.SILENT)

    def pinged(self, payload: bytes) -> None:
        """The client wants a pong."""
        self._write(pong_frame(payload))

    # The way of a command.

    def _take(self, payload: bytes) -> None:
        incoming = messages.parse(payload)
        self._observer.command(incoming.kind)
        turn = _Turn(incoming, payload)
        self._turns.append(turn)
        now = self._clock.seconds()
        try:
            step = self._conversation.receive(incoming, now)
        except Refusal as refusal:
            self._settle(turn, refusal)
            return
        if isinstance(step, Say):
            if step.record is not None:
                self._rendezvous.record_client(step.record, self._lane)
            self._settle(turn, step.reply)
        else:
            turn.asked = now
            self._ask(turn, step)
        self._hold_input_if_needed()

    def _ask(self, turn: _Turn, request: Request) -> None:
        if isinstance(request, requests.OpenMailbox):
            self._subscribe((request.app, request.mailbox))
        result = self._rendezvous.perform(request, self._lane)
        result.addCallbacks(
            self._granted, self._refused, callbackArgs=(turn, request), errbackArgs=(turn, request)
        )
        result.addErrback(self._answer_broken, turn.payload)

    def _granted(self, result: Result, turn: _Turn, request: Request) -> None:
        if self._gone:
            # Others may have to hear of it all the same.
            self._rendezvous.performed(request, result)
            return
        turn.granted = request, result
        self._settle(turn, self._conversation.answer(request, result))
        # Others do not wait until this client has read what comes before its answer.
        self._tell(turn)

    def _refused(self, failure: Failure, turn: _Turn, request: Request) -> None:
        refusal = failure.value
        if isinstance(refusal, OutcomeUnknown):
            self._rendezvous.doubt()
            refusal = Refusal(ErrorKind.OUTCOME_UNKNOWN)
        elif isinstance(refusal, LedgerUnavailable):
            self._rendezvous.condition.refused()
            refusal = Refusal(ErrorKind.UNAVAILABLE)
        elif not isinstance(refusal, Refusal):
            self._log_broken(failure)
            refusal = Refusal(ErrorKind.INTERNAL)
        if self._gone:
            return
        if isinstance(request, requests.OpenMailbox):
            self._unsubscribe()
            self._leave((request.app, request.mailbox))
        elif isinstance(request, requests.CloseMailbox):
            self._unsubscribe()
        self._conversation.take_back(request)
        self._settle(turn, refusal)
        if refusal.kind is ErrorKind.OUTCOME_UNKNOWN:
            # What the client has and what it has not is known when it comes back.
            self._drop(DropReason.DATABASE, flush=True)

    def _follow(self, request: Request, result: Result) -> None:
        """What a result changes for this connection, after its answer and before the next."""
        match result:
            case requests.Claimed(_, mailbox):
                self._arrive((self._conversation.app or "", mailbox))
            case requests.Closed():
                self._unsubscribe()
                if isinstance(request, requests.CloseMailbox):
                    self._leave((request.app, request.mailbox))
            case Page():
                self._page(result)
            case _:
                pass

    def _tell(self, turn: _Turn) -> None:
        """What a result changes for everybody, once."""
        if turn.granted is not None and not turn.told:
            turn.told = True
            self._rendezvous.performed(*turn.granted)

    def _settle(self, turn: _Turn, reply: Reply | Refusal | None) -> None:
        turn.reply = reply
        turn.ready = True
        self._give_ready()

    def _give_ready(self) -> None:
        turns = self._turns
        while turns and turns[0].ready and not self._replaying:
            self._give(turns.pop(0))
        if self._holding_input and len(turns) <= self._rendezvous.limits.pending_commands // 2:
            self._holding_input = False
            self._wire.resume()

    def _give(self, turn: _Turn) -> None:
        now = self._clock.seconds()
        self._send(messages.ack(turn.incoming.id, now))
        if isinstance(turn.reply, Refusal):
            self._observer.error(turn.reply.kind)
            self._send(messages.error(turn.reply.text, turn.payload, now))
        elif turn.reply is not None:
            self._send(turn.reply(now))
        if turn.asked is not None:
            # The clock is that of the day, which may be set back.
            self._observer.answered(max(0.0, now - turn.asked))
        if turn.granted is not None:
            self._follow(*turn.granted)
            self._tell(turn)

    def _answer_broken(self, failure: Failure, payload: bytes) -> None:
        """An exception that nobody foresaw, outside the ledger: this conversation cannot be trusted."""
        self._log_broken(failure)
        if not self._gone:
            self._observer.error(ErrorKind.INTERNAL)
            self._send(messages.error(ErrorKind.INTERNAL.text, payload, self._clock.seconds()))
            self._drop(DropReason.INTERNAL, flush=True)

    def _log_broken(self, failure: Failure) -> None:
        self._observer.internal_error()
        _log.failure("an error that nobody foresaw, in one conversation", failure)

    def _hold_input_if_needed(self) -> None:
        if not self._holding_input and len(self._turns) >= self._rendezvous.limits.pending_commands:
            self._holding_input = True
            self._wire.pause()

    # Messages of the mailbox that the client listens to.

    def _subscribe(self, address: Address) -> None:
        self._arrive(address)
        self._subscription = Subscription(address, self._deliver, self._fetch)
        self._listening_since = self._clock.seconds()
        self._rendezvous.subscriptions.subscribe(self._subscription)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._rendezvous.subscriptions.unsubscribe(self._subscription)
            self._subscription = None
            self._wanted_page = None

    def _deliver(self, stored: Sequence[StoredMessage]) -> None:
        now = self._clock.seconds()
        try:
            for message in stored:
                self._acknowledge_own(message.number)
                self._write(self._frame_of(message))
                # Older ones have waited for their listener, not for us.
                if message.received >= self._listening_since:
                    self._observer.delivered(max(0.0, now - message.received))
        except Exception:  # the listener's fault, not that of whoever stored the message
            self._log_broken(Failure())
            self._drop(DropReason.INTERNAL)

    def _acknowledge_own(self, number: int) -> None:
        """A page may bring what this client has stored since: behind its acknowledgement, like any."""
        due = 0
        for place, turn in enumerate(self._turns, 1):
            if not turn.ready:
                break
            match turn.granted:
                case (_, requests.Added(message)) if message.number <= number:
                    due = place
        for _ in range(due):
            self._give(self._turns.pop(0))

    def _fetch(self, number: int) -> None:
        if self._full:
            self._wanted_page = number
        elif self._subscription is not None:
            page = self._rendezvous.read_page(self._subscription.address, number, self._lane)
            page.addCallbacks(self._page, self._no_page)

    def _page(self, page: Page) -> None:
        if self._subscription is not None:
            self._subscription.page(page)
            self._give_ready()

    @property
    def _replaying(self) -> bool:
        """What was stored before `open` comes before the answer of whatever was asked after it."""
        return self._subscription is not None and self._subscription.replaying

    def _no_page(self, failure: Failure) -> None:
        """Without its messages the connection is of no use; the client comes back for them."""
        if failure.check(LedgerUnavailable) is None:
            self._log_broken(failure)
        if not self._gone:
            self._drop(DropReason.INTERNAL)

    def _arrive(self, address: Address) -> None:
        if address not in self._present:
            self._present.add(address)
            self._rendezvous.subscriptions.arrive(address)

    def _leave(self, address: Address) -> None:
        if address in self._present:
            self._present.discard(address)
            self._rendezvous.subscriptions.leave(address)

    # Bytes out.

    def _send(self, payload: bytes) -> None:
        self._write(text_frame(payload))

    def _write(self, frame: bytes) -> None:
        if self._dropped:
            return
        if self._full:
            self._waiting_bytes += len(frame)
            if self._waiting_bytes > self._rendezvous.limits.send_buffer_bytes:
                self._drop(DropReason.NOT_READING)
                return
        self._wire.write(frame)

    def _drop(self, reason: DropReason, *, flush: bool = False) -> None:
        if not self._gone and not self._dropped:
            self._dropped = True
            self._observer.dropped(reason)
            self._wire.drop(flush=flush)
