"""
The transit relay: two inbound connections that bring the same token become one stream.

`relay.Relay` is the heart; `tcp.TransitFactory` and `websocket.TransitWebSocketFactory` bring
connections to it; what it does is told to an `observer.Observer`.
"""
