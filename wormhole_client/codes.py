"""
Codes: `NAMEPLATE-word-word`.

Owns the syntax of codes, how one is made, and how one is completed while it is typed. No I/O; the
source of randomness is a parameter.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from wormhole_client.errors import BadCodeError
from wormhole_client.words import words_at

DIGITS: Final = frozenset("0123456789")
NAMEPLATE_LENGTH: Final = 40  # digits; servers refuse longer ones
ZERO_CODE: Final = "0-"  # of `wormhole -0`: the only code without words
DEFAULT_WORDS: Final = 2  # 16 bits: one guess in 65536, and a wrong guess is noticed


def check_nameplate(text: str) -> str:
    """
    Check that a text can be a nameplate, and return it.

    :raises BadCodeError: it is not a number, or too long.
    """
    if not text or len(text) > NAMEPLATE_LENGTH or not DIGITS.issuperset(text):
        raise BadCodeError(
            f"{text!r} is not a nameplate: the part of a code before the first '-' is a number"
        )
    return text


@attrs.frozen
class Code:
    """
    A complete code.

    Its whole text is the password of the key exchange; the nameplate alone is known to the server.
    """

    nameplate: str
    words: str

    def __str__(self) -> str:
        return f"{self.nameplate}-{self.words}"

    @classmethod
    def parse(cls, text: str) -> "Code":
        """
        Parse a code; the only one without words is `ZERO_CODE`.

        :raises BadCodeError: it has a space, no nameplate, or no words.
        """
        if any(letter.isspace() for letter in text):
            raise BadCodeError(
                f"{text!r} is not a code: its parts are joined by dashes, not spaces"
            )
        nameplate, _, words = text.partition("-")
        check_nameplate(nameplate)
        if not words and text != ZERO_CODE:
            raise BadCodeError(f"{text!r} is not a code: the words after the number are missing")
        return cls(nameplate, words)


def choose_words(count: int, choose: Callable[[Sequence[str]], str]) -> str:
    """
    Choose random words and join them by dashes.

    :param choose: picks one item of a sequence; `secrets.choice`.
    """
    return "-".join(choose(words_at(position)) for position in range(count))


def complete_nameplate(typed: str, known: Iterable[str]) -> list[str]:
    """List the nameplates that a text may become, each with its dash, shortest and smallest first."""
    return [f"{each}-" for each in sorted(known, key=_by_size) if each.startswith(typed)]


def complete_words(typed: str, count: int = DEFAULT_WORDS) -> list[str]:
    """
    List what the words of a code may become, with one more complete word each.

    :param typed: the part of the code after the nameplate's dash.
    :param count: how many words the code has at least; a word that may be the last has no dash.
    """
    *done, last = typed.lower().split("-")
    dash = "-" if len(done) + 1 < count else ""
    before = "".join(f"{word}-" for word in done)
    return [f"{before}{word}{dash}" for word in words_at(len(done)) if word.startswith(last)]


def _by_size(nameplate: str) -> tuple[int, str]:
    return len(nameplate), nameplate
