"""
The report that a server is ready, and where: records in the log, or a block of lines on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.logger import Logger

from wormhole_server.config.endpoints import endpoint_kind
from wormhole_server.listening.ports import BoundEndpoint
from wormhole_server.version import VERSION
from wormhole_server.web.addresses import bracketed

_log = Logger()


@attrs.frozen
class ReadyReport:
    """
    Where a server serves; None for what no client can reach over the internet, or is turned off.

    :ivar send: the command that sends a file from another machine.
    :ivar receive: the command that receives it there, without the code.
    :ivar page: the URL of the web client.
    :ivar status: the URL of the status page.
    :ivar metrics: the URLs of the metrics.
    """

    send: str | None
    receive: str | None
    page: str | None
    status: str | None
    metrics: Sequence[str]


def metrics_urls(bound: Sequence[BoundEndpoint]) -> list[str]:
    """List the URLs of the metrics; a Unix socket has none."""
    urls = []
    for each in bound:
        if isinstance(each.address, (IPv4Address, IPv6Address)):
            scheme = "https" if endpoint_kind(each.endpoint) == "ssl" else "http"
            urls.append(f"{scheme}://{bracketed(each.address.host)}:{each.address.port}/metrics")
    return urls


def log_ready(report: ReadyReport) -> None:
    """Log the report."""
    if report.send is not None:
        _log.info("Ready. On the other machine: {command}", command=report.send)
    else:
        _log.info("Ready.")
    if report.page is not None:
        _log.info("Or in a browser: {page}", page=report.page)
    for url in report.metrics:
        _log.info("Metrics: {url}", url=url)


def ready_block(report: ReadyReport) -> str:
    """Write the report for a person who has just started the server."""
    return "".join(f"{line}\n" for line in _block(report))


def _block(report: ReadyReport) -> Iterator[str]:
    yield f"Ready: wormhole-server {VERSION}"
    yield ""
    for name, values in (
        ("Send", [report.send]),
        ("Receive", [report.receive]),
        ("Web page", [report.page]),
        ("Status", [report.status]),
        ("Metrics", report.metrics),
        ("Stop", ["Ctrl-C; a second one does not wait for transfers"]),
    ):
        for value in values:
            if value is not None:
                yield f"  {name:9} {value}"
    yield ""
