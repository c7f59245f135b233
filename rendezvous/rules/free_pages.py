"""
The free pages of a SQLite file, which it gives back to its disk step by step.

What is deleted leaves free pages in the file, which are used again. They are given back only when they are a
large part of it: a file that grows and shrinks with every exchange would be written twice.
"""

from __future__ import annotations

import sqlalchemy as sa

from rendezvous.ledger.statements import prepare, prepare_value
from rendezvous.ledger.transaction import Transaction

# One step, on the reactor's thread: a millisecond or two.
STEP_PAGES = 100
# This part of the file may be free: a burst of exchanges that ended together.
_FREE_PART = 4
# A file of less than 4 MiB is not worth it.
_LEAST_PAGES = 1024

_FREE = prepare_value(sa.text("PRAGMA freelist_count").columns(sa.column("pages", sa.Integer)), int)
_ALL = prepare_value(sa.text("PRAGMA page_count").columns(sa.column("pages", sa.Integer)), int)
# With more than one page the pragma goes on while its rows, without a column, are fetched; sqlite3 does not.
_GIVE_BACK = prepare(sa.text("PRAGMA incremental_vacuum(1)"))


def give_back(tx: Transaction, needed: bool) -> bool:
    """
    Give some free pages back to the disk.

    :param needed: whether the disk is nearly full: then none are kept.
    :return: False if there are no more to give back.
    """
    free, pages = tx.one(_FREE) or 0, tx.one(_ALL) or 0
    kept = 0 if needed else max(_LEAST_PAGES, pages // _FREE_PART)
    if free <= kept:
        return False
    for _ in range(min(STEP_PAGES, free - kept)):
        tx.run(_GIVE_BACK)
    left = tx.one(_FREE) or 0
    tx.wrote = True
    # The file becomes shorter when the log is written back.
    tx.checkpoint = left <= kept
    # A file without auto_vacuum gives nothing back.
    return kept < left < free
