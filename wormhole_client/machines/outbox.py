"""
The outbox of one wormhole: the commands that the machines send while they process one input.

It owns the order of writing: first the machines process the input, then the state is written to the
journal, and only then the commands are sent. So the journal never lacks anything that the server knows.
"""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from wormhole_client.machines.server_messages import encode_command
from wormhole_client.machines.state import Journal, WormholeState


class Outbox:
    """
    A context manager around the processing of every input. Contexts may be nested; the outermost sends.
    """

    _log = Logger()

    def __init__(
        self,
        state: WormholeState,
        journal: Journal | None,
        transmit: Callable[[bytes], None],
        journal_failed: Callable[[Exception], None],
    ) -> None:
        """
        :param transmit: sends one command over the connection.
        :param journal_failed: is called with what the journal raised; nothing is sent then.
        """
        self._state = state
        self._journal = journal
        self._transmit = transmit
        self._journal_failed = journal_failed
        self._written = ""
        self._depth = 0
        self._commands: list[bytes] = []

    def send(self, kind: str, **keys: Any) -> None:
        """Send a command when the outermost context ends."""
        self._commands.append(encode_command(kind, **keys))

    def clear(self) -> None:
        """Drop the commands: the connection is lost, and the machines repeat what is needed."""
        self._commands.clear()

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._flush()

    def _flush(self) -> None:
        commands, self._commands = self._commands, []
        if self._journal is not None and (state := self._state.dump()) != self._written:
            try:
                self._journal(state)
            except Exception as error:  # the application's own; nothing may be sent
                self._log.failure("The application's journal failed; the wormhole is given up.")
                self._journal = None
                self._journal_failed(error)
                return
            self._written = state
        for command in commands:
            self._transmit(command)
