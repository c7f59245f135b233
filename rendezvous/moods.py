"""
How nameplates and mailboxes end. Owns the moods and how one is reached from what the sides said.
"""

from __future__ import annotations

import enum


@enum.unique
class Mood(enum.Enum):
    """How a nameplate or a mailbox ended. The values are metric labels."""

    HAPPY = "happy"  # two sides came, and neither complained
    LONELY = "lonely"  # one side came, and left before a second
    SCARY = "scary"  # a client met a wrong password
    ERRORY = "errory"  # a client gave up over an error
    CROWDED = "crowded"  # a third side tried to come in
    PRUNEY = "pruney"  # it expired


# What a client may call its own mood; any other word counts as an error of the client's.
_FROM_CLIENT = {mood.value: mood for mood in (Mood.HAPPY, Mood.LONELY, Mood.SCARY, Mood.ERRORY)}


def mood_of_client(word: str | None) -> Mood:
    """The mood that `close` gave, HAPPY where it gave none."""
    return Mood.HAPPY if word is None else _FROM_CLIENT.get(word, Mood.ERRORY)


def mood_of_mailbox(first: str | None, second: str | None, *, two: bool, crowded: bool) -> Mood:
    """
    The mood of a mailbox that both sides have closed.

    :param first: the mood of the side that came first, as it stands in the database.
    :param second: that of the other side, None where there was none.
    :param two: whether a second side ever came.
    :param crowded: whether a third side was refused.
    """
    if crowded:
        return Mood.CROWDED
    said = {first, second}
    for worst in (Mood.SCARY, Mood.ERRORY):
        if worst.value in said:
            return worst
    if not two or Mood.LONELY.value in said:
        return Mood.LONELY
    return Mood.HAPPY
