"""Tests of `rendezvous.mailboxes`: the rules of docs/protocol.md, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from itertools import count

from rendezvous import mailboxes, schema
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.messages import StoredMessage
from rendezvous.moods import Mood
from rendezvous.requests import Added, Claimed, Closed, Page, Released
from rendezvous.usage import Usage
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase

APP, OTHER_APP = "app", "another app"
A, B, C, D = "a", "b", "c", "d"


class RulesCase(StoreCase):
    """A case with the rules as a client would say them."""

    __test__ = False

    def setUp(self) -> None:
        """Begin at a time, with an empty database."""
        super().setUp()
        self.now = 1000.0
        self._ids = count(1)

    def claim(self, side: str, name: str = "7", app: str = APP) -> Claimed:
        """Claim; ids of new mailboxes are box1, box2, …"""
        return self.store.run(
            lambda tx: mailboxes.claim(
                tx, app, side, name, lambda: f"box{next(self._ids)}", self.now
            )
        )

    def release(self, side: str, name: str = "7", app: str = APP) -> Released:
        """Release."""
        return self.store.run(lambda tx: mailboxes.release(tx, app, side, name, Usage(), self.now))

    def open(self, side: str, mailbox: str = "box", app: str = APP) -> Page:
        """Open."""
        return self.store.run(lambda tx: mailboxes.open_mailbox(tx, app, side, mailbox, self.now))

    def add(
        self, side: str, phase: str = "0", mailbox: str = "box", app: str = APP, body: str = "ab"
    ) -> Added:
        """Add."""
        return self.store.run(
            lambda tx: mailboxes.add(tx, app, side, mailbox, phase, body, '"id"', self.now)
        )

    def close(
        self, side: str, mailbox: str = "box", mood: str | None = "happy", app: str = APP
    ) -> Closed:
        """Close."""
        return self.store.run(
            lambda tx: mailboxes.close(tx, app, side, mailbox, mood, Usage(), self.now)
        )

    def page(self, number: int, mailbox: str = "box", app: str = APP) -> Page:
        """Read a page."""
        return self.store.run(lambda tx: mailboxes.read_page(tx, app, mailbox, number))

    def phases(self, page: Page) -> list[str]:
        """The phases on a page."""
        return [message.phase for message in page.messages]

    def refused(self, kind: ErrorKind, function: object, *args: object, **kwargs: object) -> None:
        """It is refused for that reason."""
        refusal: Refusal = self.assertRaises(Refusal, function, *args, **kwargs)
        self.assertIs(refusal.kind, kind)

    def crowded(self, function: object, *args: object, **kwargs: object) -> None:
        """It is refused to a third side."""
        self.refused(ErrorKind.CROWDED, function, *args, **kwargs)

    def nothing_left(self) -> None:
        """No nameplate, no mailbox, no message stands in the database."""
        for table in (
            schema.nameplates,
            schema.mailboxes,
            schema.messages,
            schema.discarded_mailboxes,
        ):
            self.assertEqual(self.store.rows(table), [])


class NameplateRules(RulesCase):
    """`claim` and `release`."""

    def test_two_sides_meet(self) -> None:
        """The first side makes the mailbox, the second gets the same one."""
        self.assertEqual(self.claim(A), Claimed("7", "box1"))
        self.assertEqual(self.claim(B), Claimed("7", "box1"))

    def test_claim_again(self) -> None:
        """A side that repeats its claim, after a reconnect, has the same answer and changes nothing."""
        self.claim(A)
        before = self.store.rows(schema.nameplates) + self.store.rows(schema.mailboxes)
        self.assertEqual(self.claim(A), Claimed("7", "box1"))
        after = self.store.rows(schema.nameplates) + self.store.rows(schema.mailboxes)
        self.assertEqual(after, before)
        self.claim(B)
        self.assertEqual(self.claim(A), Claimed("7", "box1"))
        self.assertEqual(self.claim(B), Claimed("7", "box1"))

    def test_claim_again_is_use(self) -> None:
        """A claim that is repeated later counts as use of the nameplate."""
        self.claim(A)
        self.now += 500
        self.claim(A)
        self.assertEqual(self.store.rows(schema.nameplates, "used"), [1500.0])

    def test_third_side(self) -> None:
        """A third side is crowded, as often as it tries, and the two go on as if it never was."""
        self.claim(A)
        self.claim(B)
        for _ in range(2):
            self.crowded(self.claim, C)
        self.assertEqual(self.claim(A), Claimed("7", "box1"))
        self.assertEqual(self.claim(B), Claimed("7", "box1"))

    def test_third_side_after_a_release(self) -> None:
        """A side that has released still counts: its place is not free for another."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.crowded(self.claim, C)

    def test_reclaimed(self) -> None:
        """A side that has released a nameplate cannot claim it again while it lives."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.refused(ErrorKind.RECLAIMED, self.claim, A)
        self.assertEqual(self.claim(B), Claimed("7", "box1"))
        self.release(B)
        self.assertEqual(self.claim(A), Claimed("7", "box2"))

    def test_second_side_reclaimed(self) -> None:
        """That goes for the second side, too."""
        self.claim(A)
        self.claim(B)
        self.release(B)
        self.refused(ErrorKind.RECLAIMED, self.claim, B)

    def test_goes_when_both_have_released(self) -> None:
        """A nameplate goes with its last release, in either order; a repeated one changes nothing."""
        for first, second in ((A, B), (B, A)):
            self.claim(A)
            self.claim(B)
            for _ in range(2):
                self.assertEqual(self.release(first), Released(None))
            self.assertEqual(self.release(second), Released(Mood.HAPPY))
            self.assertEqual(self.release(second), Released(None))
            self.assertEqual(self.store.rows(schema.nameplates), [])

    def test_goes_with_its_only_side(self) -> None:
        """A nameplate that only one side claimed goes when that side releases it."""
        self.claim(A)
        self.assertEqual(self.release(A), Released(Mood.LONELY))
        self.assertEqual(self.store.rows(schema.nameplates), [])

    def test_release_of_nothing(self) -> None:
        """Releasing what does not exist, or what another has, is answered and changes nothing."""
        self.assertEqual(self.release(A), Released(None))
        self.claim(A)
        for stranger in (B, C):
            self.assertEqual(self.release(stranger), Released(None))
        self.assertEqual(self.claim(A), Claimed("7", "box1"))
        self.assertEqual(self.claim(B), Claimed("7", "box1"))

    def test_crowded_is_remembered(self) -> None:
        """A nameplate that a third side tried to claim ends as crowded."""
        self.claim(A)
        self.claim(B)
        self.crowded(self.claim, C)
        self.release(A)
        self.assertEqual(self.release(B), Released(Mood.CROWDED))

    def test_apps_are_apart(self) -> None:
        """The same nameplate in two apps is two nameplates."""
        self.assertEqual(self.claim(A), Claimed("7", "box1"))
        self.assertEqual(self.claim(B, app=OTHER_APP), Claimed("7", "box2"))
        self.claim(C)
        self.claim(D, app=OTHER_APP)
        self.release(A)
        self.release(C)
        self.assertEqual(self.claim(B, app=OTHER_APP), Claimed("7", "box2"))

    def test_digits_are_letters(self) -> None:
        """Nameplates are compared as they are written: 7, 07 and 007 are three."""
        names = ["7", "07", "007", "0", "9" * 40]
        boxes = {self.claim(A, name).mailbox for name in names}
        self.assertEqual(len(boxes), len(names))

    def test_claim_opens_the_mailbox(self) -> None:
        """Claiming opens the mailbox for the side: it must close it, and may add to it."""
        self.claim(A)
        self.claim(B)
        self.add(A, mailbox="box1")
        self.add(B, mailbox="box1")
        self.assertEqual(self.close(A, "box1"), Closed(None))
        self.assertEqual(self.close(B, "box1").retired, Mood.HAPPY)

    def test_refused_by_the_mailbox(self) -> None:
        """A side that claims a nameplate to whose mailbox two others came is crowded, without a trace."""
        self.claim(A)
        self.open(B, "box1")
        self.crowded(self.claim, C)
        self.assertEqual(self.claim(B), Claimed("7", "box1"))
        self.release(A)
        self.assertEqual(self.release(B), Released(Mood.HAPPY))

    def test_list(self) -> None:
        """The nameplates of the app are listed, the shortest first, each once, as many as asked for."""
        for name in ("10", "7", "007", "3"):
            self.claim(A, name)
        self.claim(B, "10")
        self.claim(A, "8", app=OTHER_APP)
        listed = self.store.run(lambda tx: mailboxes.list_nameplates(tx, APP, 100))
        self.assertEqual(sorted(listed), ["007", "10", "3", "7"])
        self.assertEqual([len(name) for name in listed], [1, 1, 2, 3])
        two = self.store.run(lambda tx: mailboxes.list_nameplates(tx, APP, 2))
        self.assertEqual(sorted(two), ["3", "7"])


class MailboxRules(RulesCase):
    """`open`, `add` and `close`."""

    def test_replay(self) -> None:
        """Messages come back in the order in which they were stored, with all that they came with."""
        self.open(A)
        self.open(B)
        expected = []
        for number, side in enumerate((A, B, A, A), 1):
            self.now += 0.25
            added = self.add(side, f"phase {number}", body=f"body {number}")
            stored = StoredMessage(
                number, side, f"phase {number}", f"body {number}", '"id"', self.now
            )
            self.assertEqual(added.message, stored)
            expected.append(stored)
        for side in (A, B):
            self.assertEqual(self.open(side), Page(expected, 4))

    def test_equal_messages(self) -> None:
        """The same message twice is two messages."""
        self.open(A)
        self.add(A, "0")
        self.add(A, "0")
        self.assertEqual(self.phases(self.open(A)), ["0", "0"])

    def test_any_text(self) -> None:
        """Names and bodies may be empty, long, or of any letters."""
        mailbox, side, app = "é😀" * 170, "\u2028\x01", "'\"\\%s:x"
        self.open(side, mailbox, app)
        body = "\U0010ffff" * 60_000
        self.add(side, "", mailbox, app, body)
        page = self.open(side, mailbox, app)
        self.assertEqual((page.messages[0].body, page.messages[0].side), (body, side))
        self.open("", "", "")
        self.add("", "", "", "", "")
        self.assertEqual(self.open("", "", "").messages[0].body, "")

    def test_second_side(self) -> None:
        """The second side gets what the first has stored, before and after it came."""
        self.open(A)
        self.add(A, "pake")
        self.assertEqual(self.phases(self.open(B)), ["pake"])
        self.add(B, "version")
        self.assertEqual(self.phases(self.open(A)), ["pake", "version"])

    def test_third_side(self) -> None:
        """A third side is crowded, and can neither add nor close."""
        self.open(A)
        self.open(B)
        self.crowded(self.open, C)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, C)
        self.crowded(self.close, C)
        self.assertEqual(self.open(A), Page([], 0))

    def test_add_needs_an_open_mailbox(self) -> None:
        """Who has not opened the mailbox, or has closed it, adds nothing."""
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, A)
        self.open(A)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, B)
        self.open(B)
        self.close(A)
        self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, A)
        self.assertEqual(self.open(B), Page([], 0))

    def test_goes_when_both_have_closed(self) -> None:
        """A mailbox goes with its messages at the last close, in either order; repeats change nothing."""
        for first, second in ((A, B), (B, A)):
            self.open(A)
            self.open(B)
            self.add(A)
            for _ in range(2):
                self.assertEqual(self.close(first), Closed(None))
            self.assertEqual(self.close(second), Closed(Mood.HAPPY))
            self.assertEqual(self.close(second), Closed(None))
            self.nothing_left()

    def test_goes_with_its_only_side(self) -> None:
        """A mailbox that only one side opened goes when that side closes it."""
        self.open(A)
        self.add(A)
        self.assertEqual(self.close(A), Closed(Mood.LONELY))
        self.nothing_left()

    def test_new_after_it_has_gone(self) -> None:
        """A mailbox that is opened after it has gone is new and empty."""
        self.open(A)
        self.add(A)
        self.close(A)
        self.assertEqual(self.open(B), Page([], 0))
        self.assertEqual(self.add(B).message.number, 1)

    def test_close_of_nothing(self) -> None:
        """Closing what does not exist, or what one never opened, is answered and changes nothing."""
        self.assertEqual(self.close(A), Closed(None))
        self.open(A)
        self.assertEqual(self.close(B), Closed(None))
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
            self.assertEqual(self.close(side), Closed(Mood.HAPPY))
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
            self.assertEqual(self.close(B, mood=second), Closed(mood))

    def test_crowded_is_remembered(self) -> None:
        """A mailbox that a third side tried to open, or to close, ends as crowded."""
        for intrude in (self.open, self.close):
            self.open(A)
            self.open(B)
            self.crowded(intrude, C)
            self.close(A)
            self.assertEqual(self.close(B), Closed(Mood.CROWDED))

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

    def test_read_page(self) -> None:
        """A page begins with the number asked for; it is empty where the mailbox is gone."""
        self.open(A)
        for number in range(1, 6):
            self.add(A, str(number))
        self.assertEqual(self.phases(self.page(4)), ["4", "5"])
        self.assertEqual(self.page(6).messages, [])
        self.close(A)
        self.assertEqual(self.page(1), Page([], 0))

    def test_long_mailbox_is_read_in_pages(self) -> None:
        """A page holds a bounded number of messages; the pages together hold all, each once."""
        self.open(A)
        total = 2 * mailboxes.PAGE_MESSAGES + 1
        for number in range(1, total + 1):
            self.add(A, str(number))
        page = self.open(A)
        self.assertEqual(len(page.messages), mailboxes.PAGE_MESSAGES)
        self.assertEqual(self.all_phases(page), [str(n) for n in range(1, total + 1)])

    def test_large_messages_are_read_in_pages(self) -> None:
        """A page holds a bounded number of bytes, and one message at least."""
        self.open(A)
        for number in range(1, 6):
            self.add(A, str(number), body="f" * (mailboxes.PAGE_BYTES // 2 + 1))
        page = self.open(A)
        self.assertEqual(self.phases(page), ["1", "2"])
        self.assertEqual(self.all_phases(page), ["1", "2", "3", "4", "5"])
        self.add(A, "6", body="f" * (3 * mailboxes.PAGE_BYTES))
        self.assertEqual(self.phases(self.page(6)), ["6"])

    def all_phases(self, page: Page) -> list[str]:
        """From this page on."""
        phases = self.phases(page)
        while page.messages and page.messages[-1].number < page.latest:
            page = self.page(page.messages[-1].number + 1)
            phases += self.phases(page)
        return phases

    def test_large_mailbox_is_emptied_later(self) -> None:
        """A large mailbox goes at once; its messages stay for expiry, and show up nowhere."""
        self.open(A)
        (box,) = self.store.rows(schema.mailboxes, "id")
        total = mailboxes.MAX_DELETE_MESSAGES + 10
        for _ in range(total):
            self.add(A)
        self.assertEqual(self.close(A), Closed(Mood.LONELY))
        self.assertEqual(self.store.rows(schema.mailboxes), [])
        self.assertEqual(self.store.rows(schema.discarded_mailboxes, "mailbox_id"), [box])
        left = len(self.store.rows(schema.messages, "number"))
        self.assertGreaterEqual(left, total - mailboxes.MAX_DELETE_MESSAGES)
        self.assertEqual(self.open(A), Page([], 0))
        self.assertNotEqual(self.store.rows(schema.mailboxes, "id"), [box])

    def test_mailbox_ids_are_never_given_twice(self) -> None:
        """The number of a mailbox that has gone is not given to another, even if it was the highest."""
        seen = set()
        for _ in range(3):
            self.open(A)
            (box,) = self.store.rows(schema.mailboxes, "id")
            seen.add(box)
            self.close(A)
        self.assertEqual(len(seen), 3)


class ExchangeRules(RulesCase):
    """Nameplates and mailboxes together."""

    def test_both_close_without_release(self) -> None:
        """Two sides that close and never release take the nameplate along: nothing is left."""
        self.claim(A)
        self.claim(B)
        self.assertEqual(self.close(A, "box1"), Closed(None))
        self.assertEqual(self.close(B, "box1"), Closed(Mood.HAPPY, Mood.HAPPY))
        self.nothing_left()
        self.assertEqual(self.release(A), Released(None))
        self.assertEqual(self.claim(A), Claimed("7", "box2"))

    def test_one_releases_and_both_close(self) -> None:
        """A nameplate that one side has released goes with the mailbox, too."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.close(A, "box1")
        self.assertEqual(self.close(B, "box1"), Closed(Mood.HAPPY, Mood.HAPPY))
        self.nothing_left()

    def test_mailbox_outlives_its_nameplate(self) -> None:
        """After both have released, the mailbox goes on until both have closed."""
        self.claim(A)
        self.claim(B)
        self.release(A)
        self.release(B)
        self.add(A, "0", "box1")
        self.assertEqual(self.phases(self.open(B, "box1")), ["0"])
        self.close(A, "box1")
        self.assertEqual(self.close(B, "box1"), Closed(Mood.HAPPY, None))
        self.nothing_left()

    def test_nameplate_that_leads_elsewhere_by_now(self) -> None:
        """A mailbox does not take along a nameplate that has been claimed anew for another."""
        self.claim(A)
        self.release(A)
        self.claim(C)
        self.assertEqual(self.close(A, "box1"), Closed(Mood.LONELY, None))
        self.assertEqual(self.claim(D), Claimed("7", "box2"))

    def test_mailbox_that_outlives_a_nameplate_of_the_same_digits(self) -> None:
        """Messages of one exchange never reach the next on the same nameplate."""
        self.claim(A)
        self.add(A, "old", "box1")
        self.release(A)
        self.claim(B)
        self.assertEqual(self.open(B, "box2"), Page([], 0))

    def test_stray_at_every_step(self) -> None:
        """A third side that tries everything after each step of an exchange changes no answer of it."""
        steps = [
            lambda: self.claim(A),
            lambda: self.open(A, "box1"),
            lambda: self.add(A, "pake", "box1").message.number,
            lambda: self.claim(B),
            lambda: self.open(B, "box1").latest,
            lambda: self.add(B, "pake", "box1").message.number,
            lambda: self.release(A),
            lambda: self.release(B).retired is not None,
            lambda: self.add(A, "version", "box1").message.number,
            lambda: self.add(B, "version", "box1").message.number,
            lambda: self.close(A, "box1"),
            lambda: self.close(B, "box1").retired is not None,
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
            self.assertEqual(self.release(C), Released(None))
        if open:
            self.crowded(self.open, C, "box1")
            self.refused(ErrorKind.ADD_BEFORE_OPEN, self.add, C, "0", "box1")
            self.crowded(self.close, C, "box1")

    def reconnect(self, done: int) -> None:
        """Both real sides repeat what they have done so far, as after a lost connection."""
        for side, released, closed in ((A, 7, 11), (B, 8, 12)):
            if done < released:
                self.assertEqual(self.claim(side), Claimed("7", "box1"))
            else:
                self.assertEqual(self.release(side), Released(None))
            if done < closed:
                self.open(side, "box1")
            else:
                self.assertEqual(self.close(side, "box1"), Closed(None))

    def test_usage(self) -> None:
        """One record for each nameplate and mailbox that went: when, how long, how it ended."""
        self.claim(A)
        self.now = 1010.0
        self.claim(B)
        self.now = 1030.0
        self.release(A)
        self.release(B)
        self.now = 1100.0
        self.close(A, "box1")
        self.close(B, "box1", mood="scary")
        self.open(C, "no nameplate", OTHER_APP)
        self.now = 1101.0
        self.close(C, "no nameplate", app=OTHER_APP)
        columns = ("app", "started", "waiting_seconds", "total_seconds", "mood")
        self.assertEqual(
            self.store.rows(schema.nameplate_usage, *columns),
            [(APP, 1000.0, 10.0, 30.0, "happy")],
        )
        self.assertEqual(
            self.store.rows(schema.mailbox_usage, *columns, "nameplate"),
            [
                (OTHER_APP, 1100.0, None, 1.0, "lonely", False),
                (APP, 1000.0, 10.0, 100.0, "scary", True),
            ],
        )


class NameplateRulesOnSqlite(OnSqlite, NameplateRules):
    """The rules of nameplates on SQLite."""


class NameplateRulesOnPostgres(OnPostgres, NameplateRules):
    """The rules of nameplates on PostgreSQL."""


class MailboxRulesOnSqlite(OnSqlite, MailboxRules):
    """The rules of mailboxes on SQLite."""


class MailboxRulesOnPostgres(OnPostgres, MailboxRules):
    """The rules of mailboxes on PostgreSQL."""


class ExchangeRulesOnSqlite(OnSqlite, ExchangeRules):
    """The rules of whole exchanges on SQLite."""


class ExchangeRulesOnPostgres(OnPostgres, ExchangeRules):
    """The rules of whole exchanges on PostgreSQL."""
