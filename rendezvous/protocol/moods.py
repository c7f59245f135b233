"""
The moods: how nameplates and mailboxes end. No I/O.

Owns the closed set of moods, and how the mood of a mailbox follows from what its sides said.
"""

from __future__ import annotations

import enum

import attrs


@enum.unique
class Mood(enum.Enum):
    """How a nameplate or a mailbox ended. The values are metric labels."""

    HAPPY = "happy"  # two sides met, and neither complained
    LONELY = "lonely"  # one side left before a second came
    SCARY = "scary"  # a client met a wrong password
    ERRORY = "errory"  # a client gave up over an error
    CROWDED = "crowded"  # a third side was refused
    PRUNEY = "pruney"  # it expired


@attrs.frozen
class Retired:
    """
    What an operation has removed from the database.

    :ivar mailbox: the mood of the mailbox that it removed, if it removed one.
    :ivar nameplate: the mood of the nameplate that it removed, if it removed one.
    """

    mailbox: Mood | None = None
    nameplate: Mood | None = None


# The moods that a client may give; any other text counts as an error of the client's.
_FROM_CLIENT = {mood.value: mood for mood in (Mood.HAPPY, Mood.LONELY, Mood.SCARY, Mood.ERRORY)}


def mood_of_client(text: str | None) -> Mood:
    """
    Read the `mood` of a `close`.

    :param text: what the client sent; None, which means HAPPY, if it sent none.
    """
    return Mood.HAPPY if text is None else _FROM_CLIENT.get(text, Mood.ERRORY)


def mood_of_mailbox(first: str | None, second: str | None, *, two: bool, crowded: bool) -> Mood:
    """
    Derive the mood of a mailbox that both sides have closed: the worst of what they said.

    :param first: the mood of the first side, as the database has it.
    :param second: the mood of the second side, None if there was none.
    :param two: whether there ever was a second side.
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
