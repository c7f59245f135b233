"""
Options of Autobahn, as `--websocket-protocol-option=OPTION=VALUE` gives them: parsed and checked.

Autobahn is imported where an option is parsed: most configurations have none.
"""

from __future__ import annotations

import inspect
import json

import attrs

from wormhole_server.config.quoting import nearest, quoted

# `perMessageCompressionAccept` takes a Python function.
_NOT_FOR_OPERATORS = {"self", "perMessageCompressionAccept"}


@attrs.frozen
class ProtocolOption:
    """
    A keyword argument of Autobahn's `setProtocolOptions`.

    :ivar value: as JSON decodes it.
    """

    name: str
    value: object

    def __str__(self) -> str:
        return f"{self.name}={json.dumps(self.value)}"


def known_options() -> frozenset[str]:
    """List the options that an operator can set."""
    from autobahn.websocket.protocol import WebSocketServerFactory  # noqa: PLC0415 - see above

    from wormhole_websocket.autobahn import UNSUPPORTED_OPTIONS  # noqa: PLC0415

    every = inspect.signature(WebSocketServerFactory.setProtocolOptions).parameters.keys()
    return frozenset(every - _NOT_FOR_OPERATORS - UNSUPPORTED_OPTIONS)


def parse_protocol_option(raw: object) -> ProtocolOption:
    """
    Parse an option of Autobahn and its value in JSON.

    :param raw: such as `autoPingInterval=30`.
    :raises ValueError: there is no such option, it has no effect here, its value is not JSON, or Autobahn
        refuses it.
    """
    if not isinstance(raw, str) or "=" not in raw:
        raise ValueError(
            f"{quoted(raw)} is not OPTION=VALUE; write an option of Autobahn and its value in "
            'JSON, such as "autoPingInterval=30"'
        )
    name, _, text = raw.partition("=")
    name = name.strip()
    from wormhole_websocket.autobahn import UNSUPPORTED_OPTIONS  # noqa: PLC0415 - see above

    if name in UNSUPPORTED_OPTIONS:
        raise ValueError(
            f"{name} has no effect: Autobahn carries out the opening handshake, and this server reads and "
            "writes the frames after it; remove the option"
        )
    options = known_options()
    if name not in options:
        guess = nearest(name, options)
        known = ", ".join(sorted(options))
        hint = f"did you mean {guess}?" if guess else f"write one of {known}"
        raise ValueError(f"Autobahn has no option {quoted(name)}; {hint}")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{quoted(text)} is not JSON; write a number, true, false, a string in double quotes or "
            "a list, and quote the whole argument in a shell"
        ) from error
    _check_value(name, value)
    return ProtocolOption(name, value)


def _check_value(name: str, value: object) -> None:
    """
    Refuse a value that would fail when a client connects: Autobahn itself checks few when they are set.

    :raises ValueError: `value` is not of the default's type, or Autobahn refuses it.
    """
    from autobahn.websocket.protocol import WebSocketServerFactory  # noqa: PLC0415 - see above

    # The constructor needs a reactor, the options do not.
    factory = WebSocketServerFactory.__new__(WebSocketServerFactory)
    factory.resetProtocolOptions()
    default = getattr(factory, name)
    if isinstance(default, bool):
        wanted, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, (int, float)):
        wanted, fits = "a number, 0 or more", _is_number(value)
    else:
        wanted = "a list" if isinstance(default, list) else "a string"
        fits = isinstance(value, type(default))
    if fits:
        try:
            factory.setProtocolOptions(**{name: value})
        except Exception:  # Autobahn raises plain Exception, and anything for a wrong type
            wanted, fits = f"something like {json.dumps(default)}", False
    if not fits:
        raise ValueError(f"Autobahn refuses {quoted(value)} for {name}; write {wanted}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
