"""Tests of `wormhole_server.config.endpoints`."""

from __future__ import annotations

import errno

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.config.endpoints import (
    BACKLOG,
    endpoint_kind,
    listen_advice,
    listen_problem,
    parse_endpoint,
    with_backlog,
)


class ParseTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """What Twisted can listen on is accepted unchanged, plugins included."""
        for text in (
            "tcp:4000",
            "tcp:0",
            "tcp:port=4000:backlog=100",
            r"tcp:4000:interface=\:\:",
            "tcp:4000:interface=127.0.0.1",
            "unix:/run/wormhole.sock",
            "systemd:domain=INET:index=0",
            "systemd:domain=INET6:name=rendezvous",
        ):
            self.assertEqual(parse_endpoint(text), text)

    def test_refused(self) -> None:
        """What cannot be listened on is refused with what to write instead."""
        for text, why in (
            ("4000", "write tcp:4000$"),
            ("systemd:name=rendezvous", "write systemd:domain=INET6:name=NAME"),
            ("systemd:domain=INET9:name=rendezvous", "does not name a socket of systemd"),
            ("systemd:domain=INET6", "does not name a socket of systemd"),
            ("systemd:domain=INET6:name=rendezvous:index=0", "does not name a socket of systemd"),
            ("tpc:4000", "did you mean tcp:"),
            ("0.0.0.0:4000", "write tcp:4000, or"),
            ("", "is not a Twisted endpoint"),
            ("tcp", "needs a port between 0 and 65535"),
            ("tcp:65536", "needs a port between 0 and 65535"),
            ("tcp:http", "needs a port between 0 and 65535"),
            ("tcp:4000:interface=::", r"write each colon of an IPv6 address as \\:"),
            ("tcp:4000:interface=localhost", "localhost is not an IP address"),
            ("tcp:4000:colour=red", "colour"),
            ("tcp:4000:backlog=x", "is not a Twisted endpoint"),
            ("unix", "is not a Twisted endpoint"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                parse_endpoint(text)

    def test_not_a_text(self) -> None:
        """A number in TOML is refused with an example."""
        with self.assertRaisesRegex(ValueError, "4000 is not an endpoint; write tcp:4000"):
            parse_endpoint(4000)

    def test_tls(self) -> None:
        """A TLS endpoint needs a key and a certificate, whose files are not read."""
        text = r"ssl:443:interface=\:\::privateKey=/nowhere/key.pem:certKey=/nowhere/fullchain.pem"
        self.assertEqual(parse_endpoint(text), text)
        for text, why in (
            ("ssl:443", "needs a private key and a certificate"),
            ("ssl:https:privateKey=/k", "needs a port between 0 and 65535"),
            ("ssl:443:privateKey=/k:interface=localhost", "localhost is not an IP address"),
            ("ssl:443:privateKey=/k:backlog=x", "is not a Twisted endpoint"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                parse_endpoint(text)

    def test_nothing_is_opened(self) -> None:
        """Checking an endpoint leaves no socket behind."""
        path = new_path(self)
        parse_endpoint(f"unix:{path}")
        self.assertFalse(path.exists())

    @given(st.text() | st.from_regex(r"(tcp|ssl|unix):[0-9a-z=:\\.]*", fullmatch=True))
    def test_anything(self, text: str) -> None:
        """Every text is accepted unchanged, or raises ValueError."""
        try:
            endpoint = parse_endpoint(text)
        except ValueError:
            return
        self.assertEqual(endpoint, text)


class ListenProblemTests(SynchronousTestCase):
    def test_no_such_socket(self) -> None:
        """A socket that systemd has not passed is reported as missing; any other error as it is."""
        endpoint = parse_endpoint("systemd:domain=INET6:name=transit")
        self.assertIn("no such socket", listen_problem(endpoint, KeyError("transit")))
        self.assertEqual(listen_problem(endpoint, OSError("is broken")), "is broken")
        self.assertEqual(listen_problem(parse_endpoint("tcp:1"), KeyError("x")), "'x'")


class ListenAdviceTests(SynchronousTestCase):
    def test_each(self) -> None:
        """The advice depends on the error: stopping a program does not help with a privileged port."""
        for error, advice in (
            (
                OSError(errno.EADDRINUSE, "in use"),
                "stop the program that uses the port, or give --transit another",
            ),
            (OSError(errno.EACCES, "denied"), "CAP_NET_BIND_SERVICE"),
            (OSError(errno.EADDRNOTAVAIL, "away"), "has no such address; give --transit"),
            (OSError(errno.EAFNOSUPPORT, "what"), "has no IPv6; give --transit"),
            ("not an OSError", "stop the program"),
        ):
            self.assertIn(advice, listen_advice("transit", error))


class KindTests(SynchronousTestCase):
    def test_kind(self) -> None:
        """The kind is the part before the first colon."""
        self.assertEqual(endpoint_kind(parse_endpoint("tcp:4000")), "tcp")


class BacklogTests(SynchronousTestCase):
    def test_added(self) -> None:
        """TCP and Unix sockets get a backlog for a burst of connections."""
        for text in ("tcp:4000", r"tcp:4000:interface=\:\:", r"unix:/run/a\:b:mode=660"):
            self.assertEqual(with_backlog(text), f"{text}:backlog={BACKLOG}")
            parse_endpoint(with_backlog(text))

    def test_unchanged(self) -> None:
        """An endpoint that has a backlog, or none to set, is unchanged."""
        for text in ("tcp:4000:backlog=9", "tcp:4000:127.0.0.1:9", "systemd:domain=INET:index=0"):
            self.assertEqual(with_backlog(text), text)
