"""
The answers that a client waits for, in the order of its commands.

Owns that order: a command is acknowledged, and its reply follows, before the next command's acknowledgement,
in whichever order the ledger's results come. Also owns how many commands of a client may wait, and how many
bytes of them: beyond that, nothing more is read from it.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from rendezvous.commands.command import Command, Context, Listener
from rendezvous.connections.output import FrameTransport, Output
from rendezvous.errors import Refusal
from rendezvous.protocol import replies
from rendezvous.server import Rendezvous

MOST_BYTES: Final = 65536
"""Of messages whose answers wait; a message takes several times its size. Clients send less than 10 kB."""


class Answer:
    """
    The answer to one message.

    :ivar message_id: the JSON of the message's `id`.
    :ivar payload: the message, which an error repeats.
    :ivar command: what the message asks for, once it has been read; None if it was refused.
    :ivar result: what the ledger returned.
    :ivar refusal: why there is no result.
    :ivar ready: whether there is a result or a refusal.
    """

    __slots__ = ("_published", "command", "message_id", "payload", "ready", "refusal", "result")

    def __init__(self, message_id: Raw, payload: bytes) -> None:
        self.message_id = message_id
        self.payload = payload
        self.command: Command[Any] | None = None
        self.result: Any = None
        self.refusal: Refusal | None = None
        self.ready = False
        self._published = False

    def publish(self, context: Context) -> None:
        """Pass the result on to everybody else, once."""
        if self.command is not None and self.refusal is None and not self._published:
            self._published = True
            self.command.publish(context, self.result)

    @property
    def stored_number(self) -> int:
        """The number of the message that the command has stored, 0 if it has stored none."""
        if self.command is None or self.refusal is not None:
            return 0
        return self.command.stored_number(self.result)


class AnswerQueue:
    """
    The answers of one connection that have not been sent.

    A listener that replays a mailbox holds the answers back: what was stored before an `open` comes before
    the answers to the commands behind it.
    """

    __slots__ = (
        "_answers",
        "_bytes",
        "_delayed",
        "_output",
        "_rendezvous",
        "_resume_at",
        "_transport",
    )

    def __init__(self, rendezvous: Rendezvous, transport: FrameTransport, output: Output) -> None:
        self._rendezvous = rendezvous
        self._transport = transport
        self._output = output
        # A tuple: it is short, and nearly always empty, when it is no object of its own.
        self._answers: tuple[Answer, ...] = ()
        self._bytes = 0
        # While nothing is read: how few answers have to wait until something is read again.
        self._resume_at: int | None = None
        self._delayed = False

    def append(self, answer: Answer, *, one_at_a_time: bool) -> None:
        """
        Put an answer behind all others; it is sent when it is ready and they have been sent.

        :param one_at_a_time: whether nothing more is read until it is sent.
        """
        self._answers += (answer,)
        self._bytes += len(answer.payload)
        most = self._rendezvous.limits.pending_commands
        if one_at_a_time or self._bytes > MOST_BYTES:
            most = 1
        if len(self._answers) >= most:
            self._pause(most // 2)

    def set_delayed(self, delayed: bool) -> None:
        """Read nothing more from the client while one of its commands waits for its time."""
        self._delayed = delayed
        if delayed:
            self._pause(self._rendezvous.limits.pending_commands // 2)
        else:
            self._resume()

    def send_ready(self, listener: Listener) -> None:
        """Send what is ready, up to the first answer that is not."""
        while self._answers and self._answers[0].ready and not listener.replaying:
            self._send_first(listener)
        if self._resume_at is not None:
            self._resume()

    def send_up_to_own(self, number: int, listener: Listener) -> None:
        """
        Send the answers up to that of the client's own message with this number, if it waits for its answer.

        A page of a mailbox may contain what the client has stored since it was read: the message comes behind
        its acknowledgement all the same.
        """
        due = 0
        for place, answer in enumerate(self._answers, 1):
            if not answer.ready:
                break
            if 0 < answer.stored_number <= number:
                due = place
        for _ in range(due):
            self._send_first(listener)

    def clear(self) -> None:
        """Forget all answers: the connection is gone."""
        self._answers = ()
        self._bytes = 0

    def _pause(self, resume_at: int) -> None:
        if self._resume_at is None:
            self._resume_at = resume_at
            self._transport.pause()

    def _resume(self) -> None:
        if (
            self._resume_at is not None
            and not self._delayed
            and len(self._answers) <= self._resume_at
        ):
            self._resume_at = None
            self._transport.resume()

    def _send_first(self, listener: Listener) -> None:
        answer, self._answers = self._answers[0], self._answers[1:]
        self._bytes -= len(answer.payload)
        rendezvous, command, refusal = self._rendezvous, answer.command, answer.refusal
        now = rendezvous.day()
        self._output.send(replies.ack(answer.message_id, now))
        if refusal is not None:
            rendezvous.observer.error(refusal.kind)
            self._output.send(replies.error(refusal.text, answer.payload, now))
        elif command is not None:
            reply = command.reply(answer.result, now)
            if reply is not None:
                self._output.send(reply)
        if command is not None and not command.at_once:
            rendezvous.observer.answered(rendezvous.clock.seconds() - command.arrived)
        if command is not None and refusal is None:
            command.finish(listener, answer.result)
        answer.publish(rendezvous.context)
