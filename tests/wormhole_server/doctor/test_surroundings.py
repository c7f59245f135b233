"""Tests of the doctor's looks at the machine, the clock, certificates and what stands in front."""

from __future__ import annotations

import datetime as dt
import resource
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.doctor.cases import NOW, case, levels
from wormhole_server.doctor import clock as clock_module
from wormhole_server.doctor.certificates import certificates
from wormhole_server.doctor.client import client
from wormhole_server.doctor.clock import clock, judged
from wormhole_server.doctor.finding import Level
from wormhole_server.doctor.front import address, certificate, front
from wormhole_server.doctor.machine import descriptors, pipes
from wormhole_server.doctor.ports import ports
from wormhole_server.doctor.visit import Visit, VisitError, visit

DAY = 86400.0
NO_METRICS = "--metrics=none"


def closed_port() -> int:
    """A port where nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MachineTests(SynchronousTestCase):
    """What the machine gives."""

    def test_descriptors(self) -> None:
        """As many files as clients are expected, and some."""
        self.patch(resource, "getrlimit", lambda _: (1024, 4096))
        for clients, level in ((900, Level.OK), (1000, Level.WARNING)):
            found = levels(descriptors(case(NO_METRICS, clients=clients)))
            self.assertEqual(found, {"file descriptors": level})

    def test_pipes(self) -> None:
        """The relay's pipe, unless it uses none."""
        self.assertEqual(levels(pipes(case())), {"pipe memory": Level.OK})
        self.assertEqual(levels(pipes(case("--transit-link=producer"))), {})

    def test_ports(self) -> None:
        """Where nobody listens, the server does not run; what has no place cannot be asked."""
        port = closed_port()
        place = f"tcp:{port}:interface=127.0.0.1"
        found = ports(case(f"--rendezvous={place}", "--transit=tcp:0", NO_METRICS))
        self.assertEqual(levels(found), {"rendezvous": Level.FAILURE})


class ClockTests(SynchronousTestCase):
    """Clocks."""

    def test_judged(self) -> None:
        """Some seconds are a warning, a minute is a failure, in either direction."""
        for ahead, level in (
            (1.0, Level.OK),
            (-5.0, Level.WARNING),
            (30.0, Level.WARNING),
            (-61.0, Level.FAILURE),
        ):
            self.assertEqual(judged("clock", ahead, tolerance=2.0).level, level)
        self.assertIn("5 s behind", judged("clock", -5.0, tolerance=2.0).text)

    def test_kernel(self) -> None:
        """Whether NTP keeps it; where the kernel cannot be asked nothing is said."""
        for state, found in ((5, {"clock": Level.WARNING}), (0, {"clock": Level.OK}), (None, {})):
            self.patch(clock_module, "_state", lambda state=state: state)
            self.assertEqual(levels(clock(case())), found)

    def test_asked(self) -> None:
        """The kernel does answer."""
        self.assertIn(clock_module._state(), {None, -1, 0, 1, 2, 3, 4, 5})


class CertificateTests(SynchronousTestCase):
    """Certificates, by their time."""

    def test_judged(self) -> None:
        """Two weeks before its end is a warning; what has ended is a failure."""
        for days, level in ((15, Level.OK), (13, Level.WARNING), (-1, Level.FAILURE)):
            self.assertEqual(certificate("x", NOW + days * DAY, NOW).level, level)

    def test_files(self) -> None:
        """Those of ssl: endpoints are read, each once."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "both.pem"
            path.write_bytes(self_signed(NOW + 5 * DAY))
            endpoint = f"ssl:443:privateKey={path}:certKey={path}"
            found = list(certificates(case(f"--rendezvous={endpoint}", f"--transit={endpoint}")))
            [only] = found
            self.assertEqual(only.level, Level.WARNING)
            self.assertIn("expires in 5 days", only.text)
            other = Path(directory) / "other.pem"
            other.write_bytes(self_signed(NOW + 5 * DAY))
            mixed = f"ssl:443:privateKey={other}:certKey={path}"
            [only] = certificates(case(f"--rendezvous={mixed}"))
            self.assertEqual(only.level, Level.FAILURE)
            self.assertIn("does not belong", only.text)
            gone = case(f"--rendezvous={endpoint}")
            path.write_text("rubbish")
            self.assertEqual(levels(certificates(gone)), {"certificate": Level.FAILURE})


def self_signed(ends: float) -> bytes:
    """A key and a certificate for it, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    last = dt.datetime.fromtimestamp(ends, dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(last - dt.timedelta(days=90))
        .not_valid_after(last)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


class FrontTests(SynchronousTestCase):
    """What a visit tells."""

    def seen(self, source: str, told: Mapping[str, Any] | None) -> Level:
        """What is made of an address that the server tells us."""
        welcome = {} if told is None else {"your-address": told}
        return address(Visit(101, {}, None, (source, 1), welcome)).level

    def test_address(self) -> None:
        """Ours, or one that a router gives us, is right; a proxy's is not."""
        self.assertEqual(self.seen("127.0.0.2", {"ipv4": "127.0.0.2"}), Level.OK)
        self.assertEqual(self.seen("127.0.0.2", {"ipv4": "127.0.0.1"}), Level.FAILURE)
        self.assertEqual(self.seen("192.168.1.5", {"ipv4": "8.8.8.8"}), Level.OK)
        self.assertEqual(self.seen("192.168.1.5", {"ipv4": "172.17.0.1"}), Level.WARNING)
        self.assertEqual(self.seen("fd00::2", {"ipv6": "::1"}), Level.FAILURE)
        self.assertEqual(self.seen("192.168.1.5", None), Level.WARNING)

    def test_nobody(self) -> None:
        """An address where nobody answers, one that no resolver knows, and one that is none."""
        for url in (
            f"ws://127.0.0.1:{closed_port()}/v1",
            f"wss://127.0.0.1:{closed_port()}/v1",
            "ws://nowhere.invalid/v1",
        ):
            self.assertRaises(VisitError, visit, url, upgrade=True)
            self.assertEqual(levels(front(case(relay_url=url))), {"public URL": Level.FAILURE})
        self.assertEqual(levels(front(case())), {})


class ClientTests(SynchronousTestCase):
    """How `wormhole-client check` is run and read."""

    def setUp(self) -> None:
        """Have a case with addresses."""
        self.case = case(relay_url="ws://127.0.0.1:1/v1")
        self.helped = type(self.case)(
            self.case.loaded, "ws://a/v1", "tcp:a:1", "ws://a/transit", 1, self.case.now
        )
        self.commands: list[Sequence[str]] = []

    def answer(self, out: str) -> Any:
        """A run that says so."""

        def run(command: Sequence[str]) -> tuple[int, str]:
            self.commands.append(command)
            return 1, out

        return run

    def test_steps(self) -> None:
        """Each step is a finding, with the client's own advice."""
        steps = """{"ok": false, "steps": [
            {"step": "name", "ok": true, "detail": "127.0.0.1", "advice": ""},
            {"step": "TCP", "ok": false, "detail": "refused", "advice": "start it"},
            {"step": "exchange", "ok": null, "detail": "needs TCP", "advice": ""}]}"""
        found = list(client(self.helped, self.answer(steps)))
        self.assertEqual(
            list(levels(found).items()),
            [
                ("client, name", Level.OK),
                ("client, TCP", Level.FAILURE),
                ("client, exchange", Level.WARNING),
            ],
        )
        self.assertEqual(found[1].mend, "start it")
        for flag in ("--relay-url=ws://a/v1", "--transit-helper=tcp:a:1"):
            self.assertIn(flag, self.commands[0])

    def test_no_result(self) -> None:
        """A client that says nothing that can be read is a failure, with the command to try by hand."""
        [found] = client(self.helped, self.answer("Traceback"))
        self.assertEqual(found.level, Level.FAILURE)
        self.assertIn("wormhole-client check --relay-url=ws://a/v1", found.mend)

    def test_not_installed(self) -> None:
        """Without the extra, the mend is to install it."""
        [found] = client(self.helped, self.answer(""), missing=lambda name: name == "spake2")
        self.assertEqual(found.level, Level.WARNING)
        self.assertIn("pip install '.[client]'", found.mend)
        self.assertEqual(self.commands, [])

    def test_nowhere(self) -> None:
        """Without addresses there is nothing to try."""
        self.assertEqual(levels(client(self.case, self.answer(""))), {"clients": Level.WARNING})
