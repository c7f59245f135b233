"""Tests of `wormhole_server.service.ready`."""

from __future__ import annotations

import attrs
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.logs import LogCase
from wormhole_server.config.endpoints import Endpoint
from wormhole_server.listening.ports import BoundEndpoint
from wormhole_server.service.ready import ReadyReport, log_ready, metrics_urls, ready_block
from wormhole_server.version import VERSION

REPORT = ReadyReport(
    send="wormhole --relay-url=ws://192.0.2.1:4000/v1 send FILE",
    receive="wormhole --relay-url=ws://192.0.2.1:4000/v1 receive",
    page="http://192.0.2.1:4000/",
    status="http://192.0.2.1:4000/status",
    metrics=["http://127.0.0.1:9400/metrics", "http://[::1]:9400/metrics"],
)
NOTHING = ReadyReport(send=None, receive=None, page=None, status=None, metrics=[])


class MetricsUrlTests(SynchronousTestCase):
    def test_urls(self) -> None:
        """Each endpoint for metrics has its URL, but Unix sockets."""
        bound = [
            BoundEndpoint(Endpoint("tcp:0"), IPv4Address("TCP", "127.0.0.1", 9400)),
            BoundEndpoint(Endpoint("ssl:0"), IPv6Address("TCP", "::1", 9401)),
            BoundEndpoint(Endpoint("unix:/run/x"), UNIXAddress(b"/run/x")),
        ]
        self.assertEqual(
            metrics_urls(bound), ["http://127.0.0.1:9400/metrics", "https://[::1]:9401/metrics"]
        )


class LogReadyTests(LogCase):
    def test_records(self) -> None:
        """The first record has the command for the other machine; then come the page and the metrics."""
        log_ready(REPORT)
        self.assertEqual(
            self.logged(),
            [
                f"info: Ready. On the other machine: {REPORT.send}",
                "info: Or in a browser: http://192.0.2.1:4000/",
                "info: Metrics: http://127.0.0.1:9400/metrics",
                "info: Metrics: http://[::1]:9400/metrics",
            ],
        )

    def test_nothing(self) -> None:
        """A server that nobody can reach over the internet is ready, too."""
        log_ready(NOTHING)
        self.assertEqual(self.logged(), ["info: Ready."])


class BlockTests(SynchronousTestCase):
    def test_block(self) -> None:
        """Each thing that a person can do has a line, the commands as they are to be typed."""
        self.assertEqual(
            ready_block(REPORT).splitlines(),
            [
                f"Ready: wormhole-server {VERSION}",
                "",
                f"  Send      {REPORT.send}",
                f"  Receive   {REPORT.receive}",
                "  Web page  http://192.0.2.1:4000/",
                "  Status    http://192.0.2.1:4000/status",
                "  Metrics   http://127.0.0.1:9400/metrics",
                "  Metrics   http://[::1]:9400/metrics",
                "  Stop      Ctrl-C; a second one does not wait for transfers",
                "",
            ],
        )

    def test_left_out(self) -> None:
        """What there is not has no line."""
        self.assertEqual(len(ready_block(NOTHING).splitlines()), 4)
        without_page = ready_block(attrs.evolve(REPORT, page=None))
        self.assertNotIn("Web page", without_page)
