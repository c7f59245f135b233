"""Tests of `wormhole_server.tls.keeper`."""

from __future__ import annotations

from typing import cast

from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol

from tests.certificates import Authority, Pair
from tests.wormhole_server.files import new_path
from tests.wormhole_server.test_reload import LogCase
from wormhole_server.reload import Outcome
from wormhole_server.tls.certificate import CertificateError
from wormhole_server.tls.endpoint import Files
from wormhole_server.tls.keeper import Keeper

DAY = 86400.0
AUTHORITY = Authority()


class Notes:
    """What is counted."""

    def __init__(self) -> None:
        self.expiries: list[tuple[str, float]] = []
        self.outcomes: list[Outcome] = []

    def certificate(self, endpoint: str, expires: float) -> None:
        self.expiries.append((endpoint, expires))

    def certificate_read_again(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


class KeeperTests(LogCase):
    def setUp(self) -> None:
        """A certificate for 90 days, from now."""
        super().setUp()
        self.directory = new_path(self).parent
        self.old = AUTHORITY.issue()
        self.files = Files(*map(str, self.old.write(self.directory)))
        self.clock = Clock()
        self.clock.advance(self.old.expires - 90 * DAY)
        self.notes = Notes()
        self.keeper = self.make()
        self.logged()

    def make(self) -> Keeper:
        """A keeper of what is in the files."""
        return Keeper("rendezvous-2", self.files, self.clock, self.notes)

    def in_use(self) -> SSL.Context:
        """What a new connection gets."""
        # Whose connection it is makes no difference.
        nobody = cast(TLSMemoryBIOProtocol, None)
        return self.keeper.serverConnectionForTLS(nobody).get_context()

    def replace(self, pair: Pair) -> None:
        """Write it over the old one."""
        pair.write(self.directory)

    def test_first(self) -> None:
        """What is there at the start is used, counted and told."""
        self.make()
        self.assertEqual(self.notes.expiries[-1], ("rendezvous-2", self.old.expires))
        (line,) = self.logged()
        self.assertRegex(line, r"^info: TLS: the certificate of rendezvous-2 is valid until \d{4}-")

    def test_unusable_at_first(self) -> None:
        """There is nothing to fall back on at the start."""
        self.replace(Pair(AUTHORITY.issue().key, self.old.chain))
        self.assertRaises(CertificateError, self.make)

    def test_replaced(self) -> None:
        """A new one is for new connections; those that there are keep theirs."""
        before = self.in_use()
        new = AUTHORITY.issue(days=91)
        self.replace(new)
        self.assertEqual([self.keeper.has_changed() for _ in range(2)], [False, True])
        self.keeper.reload()
        self.assertFalse(self.keeper.has_changed())
        self.assertIsNot(self.in_use(), before)
        self.assertEqual(self.notes.outcomes, [Outcome.OK])
        self.assertEqual(self.notes.expiries[-1], ("rendezvous-2", new.expires))

    def test_kept(self) -> None:
        """One that cannot be used leaves the old one in use, and the log says why."""
        before = self.in_use()
        (self.directory / "privkey.pem").write_bytes(AUTHORITY.issue().key_pem())
        self.keeper.reload()
        self.assertIs(self.in_use(), before)
        self.assertEqual(self.notes.outcomes, [Outcome.REFUSED])
        self.assertEqual(len(self.notes.expiries), 1)
        (line,) = self.logged()
        self.assertIn("kept the certificate of rendezvous-2 that was in use: the key in", line)

    def test_second_half(self) -> None:
        """A pair that is written in two steps is taken when both are there."""
        new = AUTHORITY.issue()
        (self.directory / "privkey.pem").write_bytes(new.key_pem())
        self.keeper.reload()
        (self.directory / "fullchain.pem").write_bytes(new.fullchain_pem)
        self.assertEqual([self.keeper.has_changed() for _ in range(2)], [False, True])
        self.keeper.reload()
        self.assertEqual(self.notes.outcomes, [Outcome.REFUSED, Outcome.OK])

    def warnings(self) -> list[str]:
        """What the log warns of when it is looked at."""
        self.keeper.has_changed()
        return [line.removeprefix("warn: TLS: the certificate of ") for line in self.logged()]

    def test_soon_expired(self) -> None:
        """Fourteen days before, and then once a day, the log warns; with a new one no more."""
        self.clock.advance(76 * DAY - 1)
        self.assertEqual(self.warnings(), [])
        self.clock.advance(2)
        (line,) = self.warnings()
        self.assertRegex(line, r"^rendezvous-2 expires in 13 days, on \d{4}-.* UTC; renew it\.$")
        self.clock.advance(DAY - 10)
        self.assertEqual(self.warnings(), [])
        self.clock.advance(20)
        self.assertEqual(len(self.warnings()), 1)
        self.replace(AUTHORITY.issue(days=200))
        self.keeper.reload()
        self.logged()
        self.clock.advance(2 * DAY)
        self.assertEqual(self.warnings(), [])

    def test_expired(self) -> None:
        """One that has expired is served with, and warned of."""
        self.clock.advance(90 * DAY)
        (line,) = self.warnings()
        self.assertRegex(line, "^rendezvous-2 expired on .*clients refuse it; renew it")

    def test_not_yet_valid(self) -> None:
        """One whose time has not come is warned of as well: most often a clock is wrong."""
        self.replace(AUTHORITY.issue(days=90, since_days=-2))
        self.keeper.reload()
        self.assertIn("is not valid before", self.logged()[-1])
