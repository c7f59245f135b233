"""
The display of a code for other devices: its links, and their QR codes in a terminal's characters.

Knows what the web client and the `wormhole-transfer:` URI hold. No I/O.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

BLOCKS: Final = {
    (0, 0): "█",
    (0, 1): "▀",
    (1, 0): "▄",
    (1, 1): " ",
}  # light is what a terminal paints


def web_link(relay_url: str, code: str) -> str:
    """
    Make the link to the web client of a server; the code is in the fragment, which browsers do not send.

    :param relay_url: of the rendezvous server.
    """
    parts = urlsplit(relay_url)
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    path = parts.path.removesuffix("v1")
    return urlunsplit((scheme, parts.netloc, path or "/", "", quote(code)))


def transfer_uri(relay_url: str, code: str) -> str:
    """Make the `wormhole-transfer:` URI, which other clients register themselves for."""
    return f"wormhole-transfer:{quote(code, safe='')}?rendezvous={quote(relay_url, safe='')}"


def qr_lines(text: str) -> Iterator[str]:
    """Draw a QR code, two of its rows in a line, dark as the background of a dark terminal."""
    import segno  # noqa: PLC0415 - most codes are not drawn

    rows = [list(row) for row in segno.make(text, micro=False).matrix_iter(border=2)]
    rows = [[1 if module else 0 for module in row] for row in rows]
    if len(rows) % 2:
        rows.append([1] * len(rows[0]))
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        yield "".join(BLOCKS[pair] for pair in zip(upper, lower, strict=True))
