"""
The choice of the code: allocated by the server, given by the application, or typed by the user.

Owns the rule that a wormhole has one code, the machines that ask the server for nameplates, and
`WormholeState.words_to_choose`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from wormhole_client.code_input import CodeInput
from wormhole_client.codes import Code
from wormhole_client.errors import BadCodeError, OnlyOneCodeError, ProtocolError
from wormhole_client.machines.request import RequestCore, request_machine
from wormhole_client.machines.state import WormholeState


class CodeOwner(Protocol):
    """The receiver of the code."""

    def claim(self, nameplate: str) -> None:
        """Claim a nameplate; while the code is typed, before the words are known."""

    def got_code(self, code: Code) -> None:
        """Handle the complete code."""


class CodeChoice:
    """
    The choice of one wormhole's code.

    :ivar allocator: the `RequestMachine` for a free nameplate.
    :ivar lister: the `RequestMachine` for the nameplates in use, for completions.
    """

    def __init__(
        self,
        state: WormholeState,
        outbox: AbstractContextManager[None],
        send: Callable[..., None],
        choose_words: Callable[[int], str],
        owner: CodeOwner,
    ) -> None:
        """
        :param outbox: the context in which a call of the application is processed.
        :param choose_words: makes so many random words, joined by dashes.
        """
        self._state = state
        self._outbox = outbox
        self._choose_words = choose_words
        self._owner = owner
        self._begun = state.code is not None or bool(state.words_to_choose)
        self._input = CodeInput(self._refresh, owner.claim, owner.got_code)
        self.allocator = request_machine(RequestCore("allocate", send, self._allocated))
        self.lister = request_machine(RequestCore("list", send, self._input.listed))

    def allocate(self, words: int) -> None:
        """
        Let the server choose a nameplate, and choose random words.

        :raises OnlyOneCodeError: another choice has begun.
        """
        self._begin()
        self._state.words_to_choose = words
        self.allocator.request()

    def resume(self) -> None:
        """Go on with an allocation that another process has begun."""
        if self._state.words_to_choose:
            self.allocator.request()

    def set_code(self, code: Code) -> None:
        """
        Use the application's code.

        :raises OnlyOneCodeError: another choice has begun.
        """
        self._begin()
        self._owner.got_code(code)

    def input_code(self) -> CodeInput:
        """
        Let the user type the code.

        :raises OnlyOneCodeError: another choice has begun.
        """
        self._begin()
        self.lister.request()
        return self._input

    def _begin(self) -> None:
        if self._begun:
            raise OnlyOneCodeError("this wormhole has a code already")
        self._begun = True

    def _refresh(self) -> None:
        with self._outbox:
            self.lister.request()

    def _allocated(self, nameplate: str) -> None:
        try:
            code = Code.parse(f"{nameplate}-{self._choose_words(self._state.words_to_choose)}")
        except BadCodeError as cause:
            raise ProtocolError("the server allocated a nameplate that is not a number") from cause
        self._state.words_to_choose = 0
        self._owner.got_code(code)
