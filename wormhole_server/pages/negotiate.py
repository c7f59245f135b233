"""
Which of several forms of a page somebody wants, by the `Accept` of the request. Pure.

Owns the rule (RFC 9110, 12.5.1), as far as it is about types without parameters.
"""

from __future__ import annotations

from collections.abc import Sequence


def negotiate(accept: str | None, offers: Sequence[str]) -> str:
    """
    The offer that is wanted most; the first of those that are wanted alike.

    :param offers: types such as `text/html`. Whoever wants none of them gets the first.
    """
    weights = {offer: _weight(accept, offer) for offer in offers}
    return max(offers, key=weights.__getitem__)


def _weight(accept: str | None, offer: str) -> float:
    if not accept:
        return 1.0
    found = (-1, 0.0)
    for entry in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        nearness = _nearness(kind, offer)
        if nearness > found[0]:
            found = (nearness, _quality(parameters))
    return found[1]


def _nearness(kind: str, offer: str) -> int:
    """How exactly `kind` is about `offer`: the most exact entry counts."""
    if kind == offer:
        return 2
    if kind == offer.partition("/")[0] + "/*":
        return 1
    return 0 if kind == "*/*" else -1


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
