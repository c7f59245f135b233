"""
WebSocket frames on one side, a client's commands on the other.

Imports everything else in `rendezvous`, `wormhole_websocket` and `wormhole_twisted`; only `wormhole_server`
imports it.
"""
