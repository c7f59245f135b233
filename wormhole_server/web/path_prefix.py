"""
The path prefix: a secret before `/v1` and `/transit`, without which these are not found. No I/O.

Owns the comparison, whose time tells nothing of the prefix but its length.
"""

from __future__ import annotations

from hmac import compare_digest

# Stands for the prefix in the log.
PLACEHOLDER = "/PATH-PREFIX"


class PathPrefix:
    """
    The prefix of one server.

    :param prefix: begins with a slash, and does not end with one; None: there is none.
    """

    def __init__(self, prefix: str | None) -> None:
        self.text = prefix or ""
        self._bytes = self.text.encode()

    def strip(self, path: bytes) -> bytes | None:
        """
        Remove the prefix from a path.

        :return: the rest, from its slash on; empty where there is none; None: the path has another beginning.
        """
        length = len(self._bytes)
        if not compare_digest(path[:length], self._bytes):
            return None
        rest = path[length:]
        return rest if rest.startswith(b"/") or (self._bytes and not rest) else None

    def hide(self, url: str) -> str:
        """Return the URL of /v1 with a placeholder for the prefix, for the log."""
        ending = f"{self.text}/v1"
        if not self.text or not url.endswith(ending):
            return url
        return f"{url.removesuffix(ending)}{PLACEHOLDER}/v1"
