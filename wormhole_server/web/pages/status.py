"""
The status page, `/status` and `/status.json`: what the server has done, in HTML and in JSON.

Owns how often the page is made: it is kept for some seconds, so that requests cost next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.server import NOT_DONE_YET, Request

from wormhole_server.web.cached_query import CachedQuery
from wormhole_server.web.http import Later, LoggedPageError, TextPage
from wormhole_server.web.pages.rendering import HTML, JSON, negotiate, render, set_headers
from wormhole_server.web.pages.snapshot import StatusSnapshot, as_json
from wormhole_server.web.pages.status_view import StatusView

_log = Logger()

_TITLE = "Status of a Magic Wormhole server"
# Making the page takes some milliseconds, and newer figures are of no use.
_FRESH_SECONDS = 5.0
# More than the database is given.
_TIMEOUT_SECONDS = 10.0


@attrs.frozen
class StatusDocuments:
    """One snapshot in both forms."""

    html: bytes
    json: bytes


def status_documents(
    clock: IReactorTime, take_snapshot: Callable[[], Deferred[StatusSnapshot]]
) -> CachedQuery[StatusDocuments]:
    """Make both forms of the page from one snapshot, and keep them for a while."""

    async def make() -> StatusDocuments:
        try:
            snapshot = await take_snapshot()
            html = await render(_TITLE, StatusView(snapshot))
            return StatusDocuments(html, json.dumps(as_json(snapshot)).encode() + b"\n")
        except Exception as error:
            # Here: not once more for each client that waits.
            _log.failure("The status page could not be made.")
            raise LoggedPageError from error

    return CachedQuery(
        clock,
        lambda: Deferred.fromCoroutine(make()),
        timeout_seconds=_TIMEOUT_SECONDS,
        fresh_seconds=_FRESH_SECONDS,
    )


class Status(TextPage):
    """
    The page.

    :param only_json: whether it is JSON for every client, or the form that the client accepts.
    """

    def __init__(
        self, documents: Callable[[], Deferred[StatusDocuments]], *, only_json: bool
    ) -> None:
        super().__init__()
        self._documents = documents
        self._only_json = only_json

    def render_GET(self, request: Request) -> int:
        if self._only_json:
            chosen = JSON
            set_headers(request, JSON)
        else:
            chosen = negotiate(request, (JSON, HTML))
        later = Later(request)

        def answer(documents: StatusDocuments) -> None:
            later.body(documents.html if chosen == HTML else documents.json)

        self._documents().addCallback(answer).addErrback(later.failed)
        return NOT_DONE_YET
