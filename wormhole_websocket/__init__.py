"""
What both servers need of WebSocket (RFC 6455): the frame codec, the opening and closing handshakes, and every
use of what Autobahn does not document.

Imports `wormhole_twisted`; none of the other packages. `frames`, `masking` and `handshake` do no I/O.
"""
