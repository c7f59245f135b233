"""
A code as it is typed: first the nameplate, which is claimed as soon as it is complete, then the
words. Gives completions for both. Owns the steps of typing; asks others for nameplates.
"""

from collections.abc import Callable

import attrs

from wormhole_client.codes import Code, check_nameplate, complete_nameplate, complete_words
from wormhole_client.errors import BadCodeError, OnlyOneCodeError


@attrs.define
class CodeInput:
    """For an application with a prompt: `choose_nameplate`, then `choose_words`."""

    _refresh: Callable[[], None]
    _claim: Callable[[str], None]
    _chosen: Callable[[Code], None]
    _known: frozenset[str] = frozenset()
    _nameplate: str | None = None
    _complete: bool = False

    def refresh_nameplates(self) -> None:
        """Ask the server again which nameplates are in use."""
        self._refresh()

    def listed(self, nameplates: frozenset[str]) -> None:
        """The server has answered."""
        self._known = nameplates

    def nameplate_completions(self, typed: str) -> list[str]:
        """What `typed` may become, each with its dash; empty until the server has answered."""
        return complete_nameplate(typed, self._known)

    def choose_nameplate(self, nameplate: str) -> None:
        """
        The nameplate is typed.

        :raises BadCodeError: it is no number.
        :raises OnlyOneCodeError: there is one already.
        """
        if self._nameplate is not None:
            raise OnlyOneCodeError("the nameplate is chosen already")
        self._nameplate = check_nameplate(nameplate)
        self._claim(nameplate)

    def word_completions(self, typed: str) -> list[str]:
        """What `typed`, the part behind the nameplate, may become."""
        return complete_words(typed)

    def choose_words(self, words: str) -> None:
        """
        The code is typed.

        :raises BadCodeError: no nameplate yet, no words, or a space in them.
        :raises OnlyOneCodeError: there are words already.
        """
        if self._complete:
            raise OnlyOneCodeError("the code is chosen already")
        if self._nameplate is None:
            raise BadCodeError("the nameplate comes first")
        code = Code.parse(f"{self._nameplate}-{words}")
        self._complete = True
        self._chosen(code)
