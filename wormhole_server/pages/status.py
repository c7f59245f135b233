"""
`/status` and `/status.json`: how the server is doing, for anybody.

Owns how often the page is made: it is kept for some seconds, so that who asks for it again and again costs
next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import NOT_DONE_YET, Request

from wormhole_server.http import Later, Page
from wormhole_server.pages.html import allow_nothing, render
from wormhole_server.pages.negotiate import negotiate
from wormhole_server.pages.snapshot import Snapshot, as_json
from wormhole_server.pages.status_view import StatusView
from wormhole_server.shared import Shared

_TITLE = "Status of a Magic Wormhole server"
_JSON = "application/json"
_HTML = "text/html"
# Making the page takes some milliseconds. Nobody needs newer figures.
FRESH_SECONDS = 5.0
# Longer than the database is waited for.
_PATIENCE_SECONDS = 10.0


@attrs.frozen
class _Forms:
    """One snapshot in both forms."""

    html: bytes
    json: bytes


class Board:
    """
    Makes both forms of the page, together and seldom.

    :param look: makes a snapshot.
    """

    def __init__(self, clock: IReactorTime, look: Callable[[], Deferred[Snapshot]]) -> None:
        self._clock = clock
        self._look = look
        self._shared = Shared(clock, self._make, _PATIENCE_SECONDS)
        self._forms: _Forms | None = None
        self._fresh_until = float("-inf")

    def __call__(self) -> Deferred[_Forms]:
        """The page, from memory while it is fresh."""
        if self._forms is not None and self._clock.seconds() < self._fresh_until:
            return succeed(self._forms)
        return self._shared()

    def _make(self) -> Deferred[_Forms]:
        return Deferred.fromCoroutine(self._make_both())

    async def _make_both(self) -> _Forms:
        snapshot = await self._look()
        html = await render(_TITLE, StatusView(snapshot))
        self._forms = _Forms(html, json.dumps(as_json(snapshot)).encode() + b"\n")
        self._fresh_until = self._clock.seconds() + FRESH_SECONDS
        return self._forms


class Status(Page):
    """
    The page, in the form that is asked for.

    :param always_json: whatever is asked for.
    """

    def __init__(self, board: Board, *, always_json: bool = False) -> None:
        super().__init__()
        self._board = board
        self._always_json = always_json

    def render_GET(self, request: Request) -> int:
        """As soon as there is one."""
        allow_nothing(request)
        wanted = _JSON
        if not self._always_json:
            request.setHeader(b"vary", b"Accept")
            accept = request.getHeader(b"accept")
            asked = None if accept is None else accept.decode("latin-1")
            wanted = negotiate(asked, (_JSON, _HTML))
        later = Later(request)

        def answer(forms: _Forms) -> None:
            request.setHeader(b"content-type", f"{wanted}; charset=utf-8".encode())
            later.body(forms.html if wanted == _HTML else forms.json)

        self._board().addCallback(answer).addErrback(later.failed)
        return NOT_DONE_YET
