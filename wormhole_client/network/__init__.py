"""
Connections of the client: endpoints, WebSocket, plain HTTP and Tor.

Imports `errors` only. Nothing here needs the libraries of the client's extra, except `tor`.
"""
