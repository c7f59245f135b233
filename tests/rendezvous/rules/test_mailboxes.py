"""Tests of `rendezvous.rules.mailboxes`: docs/protocol.md, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from itertools import count

from rendezvous.errors import ErrorKind
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import schema
from rendezvous.rules.mailboxes import join_as_second
from rendezvous.rules.messages import Page
from tests.rendezvous.exchanges import APP, OTHER_APP, A, B, C, RulesCase
from tests.rendezvous.stores import OnPostgres, OnSqlite


class MailboxRules(RulesCase):
    """`open` and `close`, and whole exchanges."""

    __test__ = False

    def test_touched(self) -> None:
        """A mailbox that is opened again counts as used then, unless that was within the last second."""
        self.open(A)
        for self.now, used in ((1000.9, 1000.0), (1001.0, 1001.0), (1500.0, 1500.0)):
            self.open(A)
            self.assertEqual(self.store.rows(schema.mailboxes, "used"), [used])

    def test_join_as_second(self) -> None:
        """The side of a second claim opens the mailbox, whoever has opened it before, if there is room."""

        def join(side: str, mailbox: str = "box") -> None:
            self.store.run(lambda tx: join_as_second(tx, APP, side, mailbox, self.now))

        def row() -> tuple[object, ...]:
            columns = ("first_side", "first_open", "second_side", "second_open", "used")
            (found,) = self.store.rows(schema.mailboxes, *columns)
            return tuple(found)

        # It has been removed: the side is the first of a new one.
        join(A)
        self.assertEqual(row(), (A, True, None, False, 1000.0))
        self.now = 1010.0
        join(A)
        self.assertEqual(row(), (A, True, None, False, 1010.0))
        self.now = 1020.0
        join(B)
        self.assertEqual(row(), (A, True, B, True, 1020.0))
        self.close(B)
        self.now = 1030.0
        join(B)
        self.assertEqual(row(), (A, True, B, True, 1030.0))
        self.crowded(join, C)

    def test_third_side(self) -> None:
        """A third side is crowded, and can neither add nor close."""
        self.open(A)
        self.open(B)
        self.crowded(self.open, C)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, C)
        self.crowded(self.close, C)
        self.assertEqual(self.open(A), Page([], 0))

    def test_goes_when_both_have_closed(self) -> None:
        """A mailbox goes with its messages at the last close, in either order; repeats change nothing."""
        for first, second in ((A, B), (B, A)):
            self.open(A)
            self.open(B)
            self.add(A)
            for _ in range(2):
                self.assertEqual(self.close(first), Retired())
            self.assertEqual(self.close(second), Retired(Mood.HAPPY))
            self.assertEqual(self.close(second), Retired())
            self.nothing_left()

    def test_goes_with_its_only_side(self) -> None:
        """A mailbox that only one side opened goes when that side closes it."""
        self.open(A)
        self.add(A)
        self.assertEqual(self.close(A), Retired(Mood.LONELY))
        self.nothing_left()

    def test_new_after_it_has_gone(self) -> None:
        """A mailbox that is opened after it has gone is new and empty."""
        self.open(A)
        self.add(A)
        self.close(A)
        self.assertEqual(self.open(B), Page([], 0))
        self.assertEqual(self.add(B).number, 1)

    def test_close_of_nothing(self) -> None:
        """Closing what does not exist, or what one never opened, is answered and changes nothing."""
        self.assertEqual(self.close(A), Retired())
        self.open(A)
        self.assertEqual(self.close(B), Retired())
        self.add(A)
        self.assertEqual(self.phases(self.open(B)), ["0"])

    def test_open_again_after_close(self) -> None:
        """A side may open again what it closed; its messages are there, and its close counts anew."""
        for side, other in ((A, B), (B, A)):
            self.open(A)
            self.open(B)
            self.add(side, "before")
            self.close(side, mood="scary")
            self.assertEqual(self.phases(self.open(side)), ["before"])
            self.add(side, "after")
            self.close(other)
            self.assertEqual(self.close(side), Retired(Mood.HAPPY))
            self.nothing_left()

    def test_place_of_who_has_closed(self) -> None:
        """A side that has closed still counts: its place is not free for another."""
        self.open(A)
        self.open(B)
        self.close(A)
        self.crowded(self.open, C)
        self.open(A)

    def test_moods(self) -> None:
        """How it ended is what the sides said, the worst of both; the first word of each counts."""
        for first, second, mood in (
            ("happy", None, Mood.HAPPY),
            ("lonely", "happy", Mood.LONELY),
            ("happy", "scary", Mood.SCARY),
            ("errory", "happy", Mood.ERRORY),
            ("what?", "happy", Mood.ERRORY),
        ):
            self.open(A)
            self.open(B)
            self.close(A, mood=first)
            self.close(A, mood="scary")
            self.assertEqual(self.close(B, mood=second), Retired(mood))

    def test_crowded_is_remembered(self) -> None:
        """A mailbox that a third side tried to open, or to close, ends as crowded."""
        for intrude in (self.open, self.close):
            self.open(A)
            self.open(B)
            self.crowded(intrude, C)
            self.close(A)
            self.assertEqual(self.close(B), Retired(Mood.CROWDED))

    def test_apps_are_apart(self) -> None:
        """The same mailbox id in two apps is two mailboxes, from the first message to the last close."""
        for app in (APP, OTHER_APP):
            self.open(A, app=app)
            self.open(B, app=app)
            self.add(A, phase=app, app=app)
        for app in (APP, OTHER_APP):
            self.assertEqual(self.phases(self.open(B, app=app)), [app])
        self.close(A)
        self.close(B)
        self.assertEqual(self.phases(self.open(A, app=OTHER_APP)), [OTHER_APP])
        self.close(A, app=OTHER_APP)
        self.close(B, app=OTHER_APP)
        self.nothing_left()

    def test_stray_at_every_step(self) -> None:
        """A third side that tries everything after each step of an exchange changes no answer of it."""
        steps = [
            lambda: self.claim(A),
            lambda: self.open(A, "box1"),
            lambda: self.add(A, "pake", "box1").number,
            lambda: self.claim(B),
            lambda: self.open(B, "box1").latest,
            lambda: self.add(B, "pake", "box1").number,
            lambda: self.release(A),
            lambda: self.release(B).nameplate is not None,
            lambda: self.add(A, "version", "box1").number,
            lambda: self.add(B, "version", "box1").number,
            lambda: self.close(A, "box1"),
            lambda: self.close(B, "box1").mailbox is not None,
        ]
        plain = [step() for step in steps]
        self.nothing_left()
        # Until the second side has come, whoever claims first is the second side.
        for intrude_after in range(4, len(steps)):
            self.store.clear()
            self._ids = count(1)
            answers = []
            for done, step in enumerate(steps, 1):
                answers.append(step())
                if done == intrude_after:
                    self.intrude(claimed=done < 8, open=done < 12)
                    self.reconnect(done)
            self.assertEqual(answers, plain)
            self.nothing_left()

    def intrude(self, *, claimed: bool, open: bool) -> None:  # noqa: A002 - the protocol's word
        """A stray does all it can."""
        if claimed:
            self.crowded(self.claim, C)
            self.assertEqual(self.release(C), Retired())
        if open:
            self.crowded(self.open, C, "box1")
            self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, C, "0", "box1")
            self.crowded(self.close, C, "box1")

    def reconnect(self, done: int) -> None:
        """Both real sides repeat what they have done so far, as after a lost connection."""
        for side, released, closed in ((A, 7, 11), (B, 8, 12)):
            if done < released:
                self.assertEqual(self.claim(side), "box1")
            else:
                self.assertEqual(self.release(side), Retired())
            if done < closed:
                self.open(side, "box1")
            else:
                self.assertEqual(self.close(side, "box1"), Retired())


class MailboxesOnSqlite(OnSqlite, MailboxRules):
    """Mailboxes on SQLite."""


class MailboxesOnPostgres(OnPostgres, MailboxRules):
    """Mailboxes on PostgreSQL."""
