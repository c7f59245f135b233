"""
Proxies in front of the server: whom to believe, and what they say of the client.

All of it is pure: bytes and values in, values out. Knows nothing of the server beside it.
"""
