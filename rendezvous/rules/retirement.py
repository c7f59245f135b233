"""
The removal of nameplates and mailboxes, each with its usage record.

Owns what goes together: a mailbox is removed with its messages and with the nameplate that still points to
it. When something is removed is decided by the rules that call this.
"""

from __future__ import annotations

from rendezvous.ledger.keys import nameplate_key
from rendezvous.ledger.transaction import Transaction
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules.sql import mailboxes as mailbox_sql
from rendezvous.rules.sql import messages as message_sql
from rendezvous.rules.sql import nameplates as nameplate_sql
from rendezvous.rules.sql.mailboxes import Mailbox
from rendezvous.rules.sql.nameplates import Nameplate, get_nameplate
from rendezvous.rules.usage import Usage


def retire_nameplate(
    tx: Transaction, plate: Nameplate, usage: Usage, now: float, mood: Mood | None = None
) -> Mood:
    """
    Remove a nameplate.

    :param now: seconds since the epoch.
    :param mood: how it ended, if not by the releases of its sides.
    :return: how it ended.
    """
    tx.run(nameplate_sql.DELETE, the_id=plate.id)
    if mood is None:
        mood = Mood.HAPPY if plate.second_side is not None else Mood.LONELY
        if plate.crowded:
            mood = Mood.CROWDED
    usage.nameplate_retired(tx, plate.app, mood, plate.created, plate.second_came, now)
    return mood


def retire_mailbox(
    tx: Transaction,
    box: Mailbox,
    mood: Mood,
    usage: Usage,
    now: float,
    *,
    has_nameplate: bool = True,
    newest: int | None = None,
) -> Retired:
    """
    Remove a mailbox with its messages and the nameplate that still points to it.

    :param mood: how it ended.
    :param now: seconds since the epoch.
    :param has_nameplate: False if it is known that no nameplate points to it.
    :param newest: the number of its newest message, if it is known.
    """
    nameplate_mood = None
    if box.nameplate is not None and has_nameplate:
        tx.lock(nameplate_key(box.app, box.nameplate))
        plate = get_nameplate(tx, box.app, box.nameplate)
        # The nameplate may have been claimed anew since, for another mailbox.
        if plate is not None and plate.mailbox == box.mailbox:
            forced = mood if mood is Mood.PRUNEY else None
            nameplate_mood = retire_nameplate(tx, plate, usage, now, forced)
    if newest is None:
        newest = tx.one(message_sql.NEWEST, the_id=box.id) or 0
    tx.run(message_sql.DELETE, the_id=box.id)
    if newest > message_sql.MAX_DELETE_MESSAGES:
        tx.run(mailbox_sql.DISCARD, the_id=box.id)
    tx.run(mailbox_sql.DELETE, the_id=box.id)
    named = box.nameplate is not None
    usage.mailbox_retired(tx, box.app, mood, box.created, box.second_came, now, nameplate=named)
    return Retired(mood, nameplate_mood)
