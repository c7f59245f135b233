"""
One client's connection, from the end of the opening handshake on: messages in, commands carried out.

Owns that every message gets an answer, and that an unexpected exception ends one connection at most. Leaves
the meaning of a command to `commands`, the order of the answers to `answers`, messages of mailboxes to
`listener`, and what waits for the client to `output`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import attrs
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.python.failure import Failure

from rendezvous.commands.by_type import find_command
from rendezvous.commands.command import Command
from rendezvous.commands.refused import refused_command
from rendezvous.connections.answers import Answer, AnswerQueue
from rendezvous.connections.listener import MailboxListener
from rendezvous.connections.output import FrameTransport, Output
from rendezvous.errors import DiskFull, ErrorKind, LedgerUnavailable, OutcomeUnknown, Refusal
from rendezvous.observer import DropReason
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import Conversation
from rendezvous.protocol.envelope import parse
from rendezvous.protocol.replies import StoredMessage
from rendezvous.server import Rendezvous
from rendezvous.sharing.allowance import ClientAllowance
from wormhole_limits.bounds import Bound
from wormhole_websocket.frames import ping_frame, pong_frame


@attrs.frozen
class _Delayed:
    """A command that waits for its time, and the messages that were read behind it."""

    call: IDelayedCall
    behind: list[bytes]


class Client:
    """
    What happens between a client and the server.

    :param block: groups it with the other clients of its address; see `block_of`.
    :param frame_of: returns the frame of a stored message, encoded once for all who get it.

    :ivar task: what the server has to do for it.
    :ivar output: what the client is sent.
    :ivar heard: set whenever bytes arrive; the heartbeat clears it.
    :ivar silent_rounds: owned by the heartbeat, like `slot`.
    """

    __slots__ = (
        "_allowance",
        "_answers",
        "_conversation",
        "_delayed",
        "_lane",
        "_listener",
        "_lost",
        "_ping",
        "_rendezvous",
        "_transport",
        "heard",
        "output",
        "silent_rounds",
        "slot",
        "task",
    )

    def __init__(
        self,
        rendezvous: Rendezvous,
        transport: FrameTransport,
        block: int,
        frame_of: Callable[[StoredMessage], bytes],
    ) -> None:
        self._rendezvous = rendezvous
        self._transport = transport
        self._lane = rendezvous.new_lane()
        self._conversation = Conversation()
        self._delayed: _Delayed | None = None
        self._lost = False
        self._ping: bytes | None = None
        self.task = rendezvous.scheduler.new_task(block, transport.serve)
        self._allowance = ClientAllowance(rendezvous.shares)
        self.output = Output(rendezvous, transport)
        self._allowance.block = self.output.block = block
        self._answers = AnswerQueue(rendezvous, transport, self.output)
        self._listener = MailboxListener(
            rendezvous, self._lane, self.task, self.output, self._answers, frame_of
        )
        self.heard = True
        self.silent_rounds = 0
        self.slot = 0

    @property
    def block(self) -> int:
        """Groups it with the other clients of its address; see `block_of`."""
        return self._allowance.block

    def connected(self, peer: IAddress) -> None:
        """
        Welcome the client: the opening handshake is complete.

        :param peer: its address, which it is told.
        """
        self._rendezvous.observer.connected()
        self._rendezvous.known.connected(self.block)
        self._rendezvous.heartbeat.add(self)
        values = self._rendezvous.welcome.values(peer)
        denied = self._rendezvous.deny(peer)
        if denied is not None:
            values["error"] = denied
            self._conversation.refusal = Refusal(ErrorKind.DENIED, denied)
        requirement = self._rendezvous.permissions.requirement(
            over_bound=self._rendezvous.over_bound(self.block)
        )
        if requirement is not None:
            values["permission-required"] = requirement.offer()
            self._conversation.requirement = requirement
        self.output.send(replies.welcome(values, self._rendezvous.day()))

    def received(self, payload: bytes) -> None:
        """Carry out one message of the client, and answer it."""
        if self.output.dropped:
            return
        if self._delayed is not None:
            self._delayed.behind.append(payload)
            return
        try:
            self._receive(payload)
        except Exception:  # a fault of ours, whatever it is
            self._fail(Failure(), payload)

    def lost(self) -> None:
        """Forget the client: the connection is gone. What it has asked for is carried out all the same."""
        self._lost = True
        self._rendezvous.observer.disconnected()
        with ExitStack() as steps:  # all are taken, from the last on, whatever one of them raises
            steps.callback(self._rendezvous.scheduler.forget, self.task)
            steps.callback(self._answers.clear)
            if self._delayed is not None:
                steps.callback(self._delayed.call.cancel)
            steps.callback(self._allowance.lost, self._rendezvous.clock.seconds())
            steps.callback(self._listener.close)
            steps.callback(self.output.set_lost)
            steps.callback(self._rendezvous.heartbeat.remove, self)
            steps.callback(self._rendezvous.known.disconnected, self.block)

    def full(self) -> None:
        """The transport holds enough: what is sent from now on waits for the client to read."""
        self.output.set_full()

    def drained(self) -> None:
        """The client has read what waited for it."""
        self.output.set_drained()
        if self._ping is not None:
            ping, self._ping = self._ping, None
            self.pinged(ping)
        self._listener.fetch_postponed()

    def ping(self) -> None:
        """
        Send a WebSocket ping; drop a client that is refused, and has had an interval to leave.

        One that nothing is read from cannot answer, which counts as an answer.
        """
        self.heard = self.heard or self._transport.paused
        if self._conversation.refusal is not None:
            self.give_up(DropReason.REFUSED)
        else:
            self.output.write(ping_frame())

    def give_up(self, reason: DropReason) -> None:
        """Drop the connection, even if the client does not read what it was sent before its end."""
        self.output.abort(reason)

    def pinged(self, payload: bytes) -> None:
        """Answer a WebSocket ping; while the client does not read, only the latest (RFC 6455, 5.5.3)."""
        if self.output.full:
            self._ping = payload
        else:
            self.output.write(pong_frame(payload))

    def _receive(self, payload: bytes) -> None:
        rendezvous = self._rendezvous
        envelope = parse(payload)
        command_class = find_command(envelope)
        rendezvous.observer.command(command_class.kind)
        if self._conversation.refusal is not None:
            command_class = refused_command(command_class.kind)
        answer = Answer(envelope.id, payload)
        self._answers.append(answer, one_at_a_time=rendezvous.scheduler.is_limited(self.task))
        try:
            command = answer.command = command_class(
                envelope, self._conversation, rendezvous.day(), rendezvous.clock.seconds()
            )
        except Refusal as refusal:
            self._settle(answer, refusal=refusal)
            return
        if not command.at_once:
            seconds = command.delay(self._allowance)
            if seconds:
                self._delay(answer, command, seconds)
            else:
                self._ask_ledger(answer, command)
            return
        if command.in_ledger:
            rendezvous.perform_unwatched(command, self._lane, self.task)
        self._settle(answer)

    def _delay(self, answer: Answer, command: Command[Any], seconds: float) -> None:
        """Carry out a command later, and whatever has been read behind it, in order."""
        self._rendezvous.bounds.bound_met(Bound.GUESSES, self.block)
        behind: list[bytes] = []

        def go_on() -> None:
            self._delayed = None
            try:
                self._ask_ledger(answer, command)
                for payload in behind:
                    self.received(payload)
                self._answers.set_delayed(self._delayed is not None)
            except Exception:  # as in `received`
                self._fail(Failure(), answer.payload)

        self._delayed = _Delayed(self._rendezvous.clock.callLater(seconds, go_on), behind)
        # What was read already goes on to arrive.
        self._answers.set_delayed(True)

    def _ask_ledger(self, answer: Answer, command: Command[Any]) -> None:
        try:
            command.take(self._allowance)
        except Refusal as refusal:
            command.undo(self._listener)
            self._settle(answer, refusal=refusal)
            return
        command.start(self._listener)

        def done(outcome: object) -> None:
            try:
                if isinstance(outcome, Failure):
                    self._refused(outcome, answer, command)
                else:
                    self._succeeded(outcome, answer, command)
            except Exception:  # as in `received`
                self._fail(Failure(), answer.payload)

        self._rendezvous.perform(command, self._lane, self.task, done)

    def _succeeded(self, result: object, answer: Answer, command: Command[Any]) -> None:
        command.keep(self._allowance, result)
        answer.result = result
        if self._lost:
            self._allowance.lost(self._rendezvous.clock.seconds())
        else:
            self._settle(answer)
        # Others do not wait until this client has read what comes before its answer.
        answer.publish(self._rendezvous.context)

    def _refused(self, failure: Failure, answer: Answer, command: Command[Any]) -> None:
        refusal = failure.value
        if isinstance(refusal, OutcomeUnknown):
            self._rendezvous.doubt()
            refusal = Refusal(ErrorKind.OUTCOME_UNKNOWN)
        elif isinstance(refusal, DiskFull):
            refusal = Refusal(ErrorKind.DISK_FULL)
        elif isinstance(refusal, LedgerUnavailable):
            refusal = Refusal(ErrorKind.UNAVAILABLE)
        elif not isinstance(refusal, Refusal):
            self._rendezvous.report(failure)
            refusal = Refusal(ErrorKind.INTERNAL)
        command.give_back(self._allowance, refusal)
        if self._lost:
            return
        command.undo(self._listener)
        self._settle(answer, refusal=refusal)
        if refusal.kind is ErrorKind.OUTCOME_UNKNOWN:
            # What has been stored is known again when the client reconnects.
            self.output.drop(DropReason.DATABASE, flush=True)

    def _settle(self, answer: Answer, *, refusal: Refusal | None = None) -> None:
        if refusal is not None:
            # The frames of a traceback hold the answer: a cycle for each command that is refused.
            refusal.with_traceback(None)
            if refusal.kind.bound is not None:
                self._rendezvous.bounds.bound_met(refusal.kind.bound, self.block)
        answer.refusal = refusal
        answer.ready = True
        self._answers.send_ready(self._listener)

    def _fail(self, failure: Failure, payload: bytes) -> None:
        """An unexpected exception, outside the ledger: the state of this connection is not to be trusted."""
        self._rendezvous.report(failure)
        if not self._lost:
            self._rendezvous.observer.error(ErrorKind.INTERNAL)
            text = ErrorKind.INTERNAL.text
            self.output.send(replies.error(text, payload, self._rendezvous.day()))
            self.output.drop(DropReason.INTERNAL, flush=True)
