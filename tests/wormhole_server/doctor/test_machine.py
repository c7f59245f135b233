"""Tests of `wormhole_server.doctor.machine`."""

from __future__ import annotations

import fcntl
import os
import resource
from typing import NoReturn

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import levels, make_target
from wormhole_server.doctor.finding import Level
from wormhole_server.doctor.machine import check_descriptors, check_pipes

NO_METRICS = "--metrics=none"


class DescriptorTests(SynchronousTestCase):
    def test_levels(self) -> None:
        """The expected clients need a descriptor each, and the server some of its own."""
        self.patch(resource, "getrlimit", lambda _: (1024, 4096))
        for clients, level in ((924, Level.OK), (925, Level.WARNING)):
            found = levels(check_descriptors(make_target(NO_METRICS, clients=clients)))
            self.assertEqual(found, {"file descriptors": level})

    def test_unlimited(self) -> None:
        """No limit is enough for any number of clients."""
        self.patch(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, -1))
        [found] = check_descriptors(make_target(NO_METRICS, clients=10**9))
        self.assertEqual(found.level, Level.OK)
        self.assertIn("may open any number", found.text)


class PipeTests(SynchronousTestCase):
    def test_given(self) -> None:
        """The kernel gives the relay its pipe; a relay without a pipe needs none."""
        self.assertEqual(levels(check_pipes(make_target())), {"pipe memory": Level.OK})
        self.assertEqual(levels(check_pipes(make_target("--transit-link=producer"))), {})

    def test_no_splice(self) -> None:
        """A kernel that moves no bytes is a failure only if the relay cannot do without."""
        self.patch(os, "splice", self.forbid)
        for link, level in (("auto", Level.WARNING), ("splice", Level.FAILURE)):
            [found] = check_pipes(make_target(f"--transit-link={link}"))
            self.assertEqual(found.level, level)
            self.assertIn("does not move the relay's bytes (no splice: Oper", found.text)

    def test_nothing_is_known(self) -> None:
        """A sandbox that forbids every question about pipes is no traceback."""
        self.patch(fcntl, "fcntl", self.forbid)
        self.assertEqual(levels(check_pipes(make_target())), {"pipe memory": Level.WARNING})

    def forbid(self, *_: object, **__: object) -> NoReturn:
        raise PermissionError(1, "Operation not permitted")

    def test_small(self) -> None:
        """A pipe that is too small is a failure only if the relay cannot do without."""

        def refuse(_: int, command: int, *__: int) -> int:
            if command == fcntl.F_SETPIPE_SZ:
                raise PermissionError(1, "Operation not permitted")
            return 65536

        self.patch(fcntl, "fcntl", refuse)
        for link, level in (("auto", Level.WARNING), ("splice", Level.FAILURE)):
            [found] = check_pipes(make_target(f"--transit-link={link}"))
            self.assertEqual(found.level, level)
            self.assertIn("a pipe of 64KiB, not 1MiB, so", found.text)
