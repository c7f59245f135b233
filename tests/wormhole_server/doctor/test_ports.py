"""Tests of `wormhole_server.doctor.ports`."""

from __future__ import annotations

import socket
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.targets import levels, make_target
from wormhole_server.doctor.finding import Level
from wormhole_server.doctor.ports import check_ports

NO_METRICS = "--metrics=none"


class PortTests(SynchronousTestCase):
    def test_nothing_listens(self) -> None:
        """A port where nothing listens is a failure; a port that the system chooses is skipped."""
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        target = make_target(f"--rendezvous={endpoint}", "--transit=tcp:0", NO_METRICS)
        [found] = check_ports(target)
        self.assertEqual((found.check, found.level), ("rendezvous", Level.FAILURE))
        self.assertTrue(found.text.startswith(f"nothing answers at 127.0.0.1:{port}: "), found)
        self.assertTrue(found.fix.startswith("start the server"), found)

    def test_relay(self) -> None:
        """The relay is ready as soon as it accepts connections."""
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            endpoint = f"tcp:{listening.getsockname()[1]}:interface=127.0.0.1"
            target = make_target("--rendezvous=none", f"--transit={endpoint}", NO_METRICS)
            self.assertEqual(levels(check_ports(target)), {"transit": Level.OK})
