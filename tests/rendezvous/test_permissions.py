"""Tests of `rendezvous.permissions`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.permissions import Permissions


class PermissionsTests(SynchronousTestCase):
    def test_who_is_asked(self) -> None:
        """Nobody is asked, those over a bound, or all."""
        for ask_all, ask_over_bound, asked in (
            (False, False, [False, False]),
            (False, True, [False, True]),
            (True, False, [True, True]),
        ):
            permissions = Permissions(9, ask_all, ask_over_bound)
            found = [permissions.requirement(over_bound=over) for over in (False, True)]
            self.assertEqual([each is not None for each in found], asked)
            self.assertEqual(
                {each.bits for each in found if each is not None}, {9} if any(asked) else set()
            )

    def test_resource(self) -> None:
        """Every connection has a resource of its own, which fits into a stamp."""
        permissions = Permissions(9, True, False)
        found = [permissions.requirement(over_bound=False) for _ in range(100)]
        resources = {each.resource for each in found if each is not None}
        self.assertEqual(len(resources), 100)
        for resource in resources:
            self.assertRegex(resource, "^[0-9a-f]{32}$")
