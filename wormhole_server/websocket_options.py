"""
`--websocket-protocol-option=OPTION=VALUE`: does Autobahn have the option, and take the value?

Owns the check. What the options do is Autobahn's.
"""

from __future__ import annotations

import inspect
import json

import attrs
from autobahn.websocket.protocol import WebSocketServerFactory

from wormhole_server.words import nearest, quoted

# Takes a Python function, which no configuration can hold.
_NOT_FOR_OPERATORS = {"self", "perMessageCompressionAccept"}

KNOWN_OPTIONS = frozenset(
    inspect.signature(WebSocketServerFactory.setProtocolOptions).parameters.keys()
    - _NOT_FOR_OPERATORS
)


@attrs.frozen
class ProtocolOption:
    """One keyword argument of Autobahn's `setProtocolOptions`."""

    name: str
    value: object  # as JSON has it

    def __str__(self) -> str:
        return f"{self.name}={json.dumps(self.value)}"


def parse_protocol_option(raw: object) -> ProtocolOption:
    """
    `autoPingInterval=30`: an option of Autobahn's and its value in JSON.

    :raises ValueError: there is no such option, its value is not JSON, or Autobahn refuses it.
    """
    if not isinstance(raw, str) or "=" not in raw:
        raise ValueError(
            f"{quoted(raw)} is not OPTION=VALUE; write an option of Autobahn and its value in "
            'JSON, such as "autoPingInterval=30"'
        )
    name, _, text = raw.partition("=")
    name = name.strip()
    if name not in KNOWN_OPTIONS:
        guess = nearest(name, KNOWN_OPTIONS)
        known = ", ".join(sorted(KNOWN_OPTIONS))
        hint = f"did you mean {guess}?" if guess else f"it has {known}"
        raise ValueError(f"Autobahn has no option {quoted(name)}; {hint}")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{quoted(text)} is not JSON; write a number, true, false, a text in double quotes or "
            "a list, and put the whole into single quotes where a shell reads it"
        ) from error
    _check_value(name, value)
    return ProtocolOption(name, value)


def _check_value(name: str, value: object) -> None:
    """
    Autobahn looks at few values when they are set, and stumbles over others with each client.

    :raises ValueError: `value` is not of the default's type, or Autobahn refuses it.
    """
    # A factory proper wants an event loop. Its options do not.
    factory = WebSocketServerFactory.__new__(WebSocketServerFactory)
    factory.resetProtocolOptions()
    default = getattr(factory, name)
    if isinstance(default, bool):
        wanted, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, (int, float)):
        wanted, fits = "a number, 0 or more", _is_number(value)
    else:
        wanted = "a list" if isinstance(default, list) else "a text"
        fits = isinstance(value, type(default))
    if fits:
        try:
            factory.setProtocolOptions(**{name: value})
        except Exception:  # It raises plain Exception, and whatever a wrong type runs into.
            wanted, fits = f"something like {json.dumps(default)}", False
    if not fits:
        raise ValueError(f"Autobahn does not take {quoted(value)} for {name}; write {wanted}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
