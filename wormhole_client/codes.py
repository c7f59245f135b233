"""
Codes: `NAMEPLATE-word-word`. Owns what a code looks like, how one is made and how one is completed
while it is typed. No I/O; the source of randomness is a parameter.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from wormhole_client.errors import BadCodeError
from wormhole_client.words import words_at

DIGITS: Final = frozenset("0123456789")
NAMEPLATE_LENGTH: Final = 40  # digits; servers refuse longer ones
DEFAULT_WORDS: Final = 2  # 16 bits: one guess in 65536, and a wrong guess is noticed


def check_nameplate(text: str) -> str:
    """
    `text`, if it can be a nameplate.

    :raises BadCodeError: it cannot.
    """
    if not text or len(text) > NAMEPLATE_LENGTH or not DIGITS.issuperset(text):
        raise BadCodeError(
            f"{text!r} is not a nameplate: the part of a code before the first '-' is a number"
        )
    return text


@attrs.frozen
class Code:
    """A whole code. The text is the password; the nameplate is only where to meet."""

    nameplate: str
    words: str

    def __str__(self) -> str:
        return f"{self.nameplate}-{self.words}"

    @classmethod
    def parse(cls, text: str) -> "Code":
        """
        :raises BadCodeError: a space, no number in front, or nothing behind it.
        """
        if any(letter.isspace() for letter in text):
            raise BadCodeError(f"{text!r} is not a code: a code has no spaces, but dashes")
        nameplate, _, words = text.partition("-")
        check_nameplate(nameplate)
        if not words:
            raise BadCodeError(f"{text!r} is not a code: the words after the number are missing")
        return cls(nameplate, words)


def choose_words(count: int, choose: Callable[[Sequence[str]], str]) -> str:
    """`count` words joined by dashes. `choose` picks one of a sequence (`secrets.choice`)."""
    return "-".join(choose(words_at(position)) for position in range(count))


def complete_nameplate(typed: str, known: Iterable[str]) -> list[str]:
    """What `typed` may become, each with its dash, shortest and smallest first."""
    return [f"{each}-" for each in sorted(known, key=_by_size) if each.startswith(typed)]


def complete_words(typed: str, count: int = DEFAULT_WORDS) -> list[str]:
    """What `typed`, the part behind the nameplate, may become: one more whole word each."""
    *done, last = typed.lower().split("-")
    if len(done) >= count:
        return []
    dash = "-" if len(done) + 1 < count else ""
    before = "".join(f"{word}-" for word in done)
    return [f"{before}{word}{dash}" for word in words_at(len(done)) if word.startswith(last)]


def _by_size(nameplate: str) -> tuple[int, str]:
    return len(nameplate), nameplate
