"""Tests of `wormhole_server.config.tls_endpoint`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.tls_endpoint import Files, TlsEndpoint, parse_tls_endpoint


class ParseTests(SynchronousTestCase):
    def test_named(self) -> None:
        """Port, key and certificate are given by name or by position, as in Twisted."""
        wanted = TlsEndpoint("tcp:443", Files("/key.pem", "/fullchain.pem"))
        for text in (
            "ssl:443:privateKey=/key.pem:certKey=/fullchain.pem",
            "ssl:certKey=/fullchain.pem:port=443:privateKey=/key.pem",
            "ssl:443:/key.pem:/fullchain.pem",
        ):
            self.assertEqual(parse_tls_endpoint(text), wanted)

    def test_tcp_endpoint(self) -> None:
        """The TCP endpoint gets the arguments that concern the port, with their backslashes."""
        text = r"ssl:443:interface=\:\::backlog=100:privateKey=/key.pem"
        self.assertEqual(parse_tls_endpoint(text).tcp, r"tcp:443:interface=\:\::backlog=100")

    def test_one_file(self) -> None:
        """One file may contain key and certificate; the chain may be in another."""
        files = parse_tls_endpoint("ssl:443:privateKey=/both.pem:extraCertChain=/chain.pem").files
        self.assertEqual(files, Files("/both.pem", "/both.pem", "/chain.pem"))
        self.assertEqual(files.paths, ("/both.pem", "/both.pem", "/chain.pem"))

    def test_odd_path(self) -> None:
        """A path may contain any character after a backslash, and an equals sign without one."""
        files = parse_tls_endpoint(r"ssl:443:privateKey=/a\:b\\c=d.pem").files
        self.assertEqual(files.private_key, r"/a:b\c=d.pem")

    def test_refused(self) -> None:
        """A missing or unknown argument is refused with what to write instead."""
        for text, why in (
            ("ssl:443", "needs a private key and a certificate; write ssl:443:privateKey="),
            ("ssl:443:privateKey=", "needs a private key"),
            ("ssl:443:privateKey=/k:certKey=", "needs a private key and a certificate"),
            ("ssl:443:privateKey=/k:certkey=/c", "did you mean certKey"),
            ("ssl:443:privateKey=/k:colour=red", "write one of port, privateKey"),
            (
                "ssl:443:privateKey=/k:sslmethod=SSLv23_METHOD",
                "not supported: the server always offers TLS 1.2 and 1.3",
            ),
            ("ssl:443:privateKey=/k:dhParameters=/dh.pem", "elliptic curves; remove it"),
            ("ssl:443:/k:/c:/d", "a colon too many"),
        ):
            with self.assertRaisesRegex(ValueError, why):
                parse_tls_endpoint(text)

    @given(st.text(st.characters(exclude_characters="\0"), min_size=1))
    def test_any_path(self, path: str) -> None:
        """Every path can be written with backslashes."""
        escaped = "".join(f"\\{letter}" for letter in path)
        files = parse_tls_endpoint(f"ssl:443:privateKey={escaped}").files
        self.assertEqual(files.private_key, path)

    @given(st.text())
    def test_anything(self, text: str) -> None:
        """Every text is parsed or raises ValueError."""
        try:
            parse_tls_endpoint(f"ssl:{text}")
        except ValueError:
            return
