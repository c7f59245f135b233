"""Tests of `rendezvous.errors`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind, LedgerUnavailable, OutcomeUnknown, Refusal


class ErrorTextTests(SynchronousTestCase):
    """The texts that clients and test suites know."""

    def test_to_the_letter(self) -> None:
        """Every text of the protocol is there, letter by letter."""
        known = {
            *("missing 'type'", "unknown type", "must bind first", "already bound"),
            *("bind requires 'appid'", "bind requires 'side'", "ping requires 'ping'"),
            "you already allocated one, don't be greedy",
            *("claim requires 'nameplate'", "only one claim per connection"),
            *("crowded", "reclaimed", "release without nameplate must follow claim"),
            "release and claim must use same nameplate",
            *("only one release per connection", "open requires 'mailbox'"),
            *("only one open per connection", "must open mailbox before adding"),
            *("missing 'phase'", "missing 'body'", "close without mailbox must follow open"),
            *("open and close must use same mailbox", "only one close per connection"),
        }
        texts = [kind.text for kind in ErrorKind]
        self.assertEqual(known - set(texts), set())
        self.assertEqual(len(texts), len(set(texts)))

    def test_labels(self) -> None:
        """The value of each kind is its metric label: its name in small letters."""
        for kind in ErrorKind:
            self.assertEqual(kind.value, kind.name.lower())

    def test_refusal(self) -> None:
        """A refusal says its kind's text, or a more exact one."""
        self.assertEqual(Refusal(ErrorKind.CROWDED).text, "crowded")
        exact = Refusal(ErrorKind.MALFORMED, "exactly this")
        self.assertEqual((exact.text, str(exact)), ("exactly this", "exactly this"))
        self.assertIs(exact.kind, ErrorKind.MALFORMED)

    def test_unknown_outcome(self) -> None:
        """An unknown outcome is a database that is unavailable; neither is a fault of the client."""
        self.assertTrue(issubclass(OutcomeUnknown, LedgerUnavailable))
        self.assertFalse(issubclass(LedgerUnavailable, Refusal))
