"""The plugin line: makes `twistd wormhole-server` and `twist wormhole-server` known to Twisted."""

from twisted.application.service import ServiceMaker

wormhole_server = ServiceMaker(
    "Magic Wormhole server",
    "wormhole_server.plugin",
    "A Magic Wormhole server: rendezvous and transit relay.",
    "wormhole-server",
)
