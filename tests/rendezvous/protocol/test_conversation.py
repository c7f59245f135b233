"""Tests of `rendezvous.protocol.conversation`; what clients see of it is tested with the commands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.protocol import conversation
from rendezvous.protocol.conversation import CommandKind, Conversation, TrackState

ALWAYS = {CommandKind.PING, CommandKind.SUBMIT_PERMISSIONS}
KINDS = [kind for kind in CommandKind if kind not in ALWAYS]
# By what a connection has done: why it is refused a command, None if it is not.
Rows = dict[tuple[str, ...], dict[str, ErrorKind | None]]
NAMEPLATE: Rows = {
    (): {"claim": None, "release": None},
    ("claim",): {"claim": ErrorKind.SECOND_CLAIM, "release": None},
    ("release",): {"claim": None, "release": ErrorKind.SECOND_RELEASE},
    ("claim", "release"): {"claim": ErrorKind.SECOND_CLAIM, "release": ErrorKind.SECOND_RELEASE},
    ("release", "claim"): {"claim": ErrorKind.SECOND_CLAIM, "release": ErrorKind.SECOND_RELEASE},
}
MAILBOX: Rows = {
    (): {"open": None, "add": ErrorKind.ADD_BEFORE_OPEN, "close": None},
    ("open",): {"open": ErrorKind.SECOND_OPEN, "add": None, "close": None},
    ("open", "add"): {"open": ErrorKind.SECOND_OPEN, "add": None, "close": None},
    ("close",): {
        "open": ErrorKind.SECOND_OPEN,
        "add": ErrorKind.ADD_BEFORE_OPEN,
        "close": ErrorKind.SECOND_CLOSE,
    },
    ("open", "close"): {
        "open": ErrorKind.SECOND_OPEN,
        "add": ErrorKind.ADD_BEFORE_OPEN,
        "close": ErrorKind.SECOND_CLOSE,
    },
}
OTHERS: Rows = {
    (): {"allocate": None, "list": None, "bind": ErrorKind.ALREADY_BOUND},
    ("allocate",): {"allocate": ErrorKind.SECOND_ALLOCATE, "list": None},
    ("list",): {"allocate": None, "list": None, "unknown": ErrorKind.UNKNOWN_TYPE},
}


def after(*kinds: str) -> Conversation:
    """A conversation that is bound and has taken these commands."""
    talk = Conversation()
    for kind in ("bind", *kinds):
        talk.advance(CommandKind(kind))
    return talk


class TableTests(SynchronousTestCase):
    """What is allowed when."""

    def test_new(self) -> None:
        """A new conversation knows nothing of its client."""
        talk = Conversation()
        self.assertEqual((talk.app, talk.side, talk.nameplate, talk.mailbox), ("", "", None, None))

    def refusal(self, talk: Conversation, kind: CommandKind) -> ErrorKind | None:
        """Why the conversation refuses a command, if it does."""
        try:
            talk.advance(kind)
        except Refusal as refusal:
            return refusal.kind
        return None

    def test_rows(self) -> None:
        """After what a connection has done, each command is taken, or refused for the right reason."""
        for table in (NAMEPLATE, MAILBOX, OTHERS):
            for done, rows in table.items():
                for kind, reason in rows.items():
                    found = self.refusal(after(*done), CommandKind(kind))
                    self.assertIs(found, reason, (done, kind))

    def test_tracks_are_independent(self) -> None:
        """What is done on one track changes nothing on another."""
        tracks: tuple[Rows, ...] = (NAMEPLATE, MAILBOX, {(): {}, ("allocate",): {}, ("list",): {}})
        for one, two in product(tracks, tracks):
            if one is not two:
                for before, (done, rows) in product(one, two.items()):
                    for kind, reason in rows.items():
                        found = self.refusal(after(*before, *done), CommandKind(kind))
                        self.assertIs(found, reason, (before, done, kind))

    def test_before_bind(self) -> None:
        """Before `bind` every other command that belongs to a track is refused, and nothing changes."""
        talk = Conversation()
        for kind in KINDS:
            if kind is not CommandKind.BIND:
                for step in (talk.check, talk.advance):
                    refusal: Refusal = self.assertRaises(Refusal, step, kind)
                    self.assertIs(refusal.kind, ErrorKind.MUST_BIND_FIRST)
        talk.advance(CommandKind.BIND)

    def test_check_changes_nothing(self) -> None:
        """A check refuses what the table refuses, but for a second claim, and takes nothing."""
        for table in (NAMEPLATE, MAILBOX, OTHERS):
            for done, rows in table.items():
                for kind, reason in rows.items():
                    talk = after(*done)
                    if reason is None or reason is ErrorKind.SECOND_CLAIM:
                        talk.check(CommandKind(kind))
                    else:
                        refusal: Refusal = self.assertRaises(Refusal, talk.check, CommandKind(kind))
                        self.assertIs(refusal.kind, reason)
                    self.assertIs(self.refusal(talk, CommandKind(kind)), reason)

    def test_shared_states(self) -> None:
        """Conversations in the same states share one tuple, in whichever order they came there."""
        self.assertIs(after("claim", "open")._states, after("open", "add", "claim")._states)

    def test_every_pair(self) -> None:
        """The table has a row for every command in every state that can be reached, and no other."""
        seen: set[TrackState] = set()
        pairs: set[tuple[TrackState, CommandKind]] = set()
        for states in self.reachable():
            seen.update(states)
            for kind in KINDS:
                talk = Conversation()
                talk._states = states
                self.refusal(talk, kind)
                pairs.add((states[conversation._TRACKS[kind]], kind))
        self.assertEqual(seen, set(TrackState))
        self.assertEqual(pairs, set(conversation._TRANSITIONS))

    def reachable(self) -> Iterator[tuple[TrackState, ...]]:
        """All states that commands and their refusals by the ledger lead to."""
        found = {Conversation()._states}
        unseen = list(found)
        while unseen:
            states = unseen.pop()
            yield states
            for kind, reverse in product(KINDS, (False, True)):
                talk = Conversation()
                talk._states = states
                if reverse:
                    talk.reverse(kind)
                else:
                    self.refusal(talk, kind)
                state = talk._states
                if state not in found:
                    found.add(state)
                    unseen.append(state)


class ReversalTests(SynchronousTestCase):
    """What the ledger refused."""

    def test_may_try_again(self) -> None:
        """An allocate, release, open or close that the ledger refused may come again."""
        for done in (
            ("allocate",),
            ("release",),
            ("claim", "release"),
            ("open",),
            ("close",),
            ("open", "close"),
        ):
            talk = after(*done)
            kind = CommandKind(done[-1])
            self.assertTrue(talk.reverse(kind), done)
            talk.advance(kind)

    def test_as_before(self) -> None:
        """After a refused release a claim still counts, and after a refused close nothing is open."""
        talk = after("claim", "release")
        talk.reverse(CommandKind.RELEASE)
        self.assertRaises(Refusal, talk.advance, CommandKind.CLAIM)
        talk = after("release")
        talk.reverse(CommandKind.RELEASE)
        talk.advance(CommandKind.CLAIM)
        talk = after("open", "close")
        talk.reverse(CommandKind.CLOSE)
        self.assertRaises(Refusal, talk.advance, CommandKind.ADD)
        talk.advance(CommandKind.OPEN)

    def test_counts_all_the_same(self) -> None:
        """A refused claim counts, a refused add changes nothing, and a close is not undone by its open."""
        for done, kind in (
            (("claim",), "claim"),
            (("open", "add"), "add"),
            (("open", "close"), "open"),
            (("list",), "list"),
        ):
            talk = after(*done)
            states = talk._states
            self.assertFalse(talk.reverse(CommandKind(kind)), done)
            self.assertEqual(talk._states, states)
