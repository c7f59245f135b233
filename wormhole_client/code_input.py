"""
The input of a code, with completions: first the nameplate, then the words.

The nameplate is claimed as soon as it is complete. Owns the steps of typing.
"""

from collections.abc import Callable

import attrs

from wormhole_client.codes import Code, check_nameplate, complete_nameplate, complete_words
from wormhole_client.errors import BadCodeError, OnlyOneCodeError


@attrs.define
class CodeInput:
    """
    The input of one code. The application calls `choose_nameplate`, then `choose_words`.
    """

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
        """Take the server's answer."""
        self._known = nameplates

    def nameplate_completions(self, typed: str) -> list[str]:
        """
        List what a text may become, each with its dash.

        :return: nothing until the server has answered.
        """
        return complete_nameplate(typed, self._known)

    def choose_nameplate(self, nameplate: str) -> None:
        """
        Take the typed nameplate, and claim it.

        :raises BadCodeError: it is not a number.
        :raises OnlyOneCodeError: the nameplate is chosen already.
        """
        if self._nameplate is not None:
            raise OnlyOneCodeError("the nameplate is chosen already")
        self._nameplate = check_nameplate(nameplate)
        self._claim(nameplate)

    def word_completions(self, typed: str) -> list[str]:
        """List what the part of the code after the nameplate's dash may become."""
        return complete_words(typed)

    def choose_words(self, words: str) -> None:
        """
        Take the typed words: the code is complete.

        :raises BadCodeError: there is no nameplate yet, there are no words, or a space is in them.
        :raises OnlyOneCodeError: the code is chosen already.
        """
        if self._complete:
            raise OnlyOneCodeError("the code is chosen already")
        if self._nameplate is None:
            raise BadCodeError("the code has no nameplate yet: choose it first")
        code = Code.parse(f"{self._nameplate}-{words}")
        self._complete = True
        self._chosen(code)
