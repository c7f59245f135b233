"""
What trusted proxies say about their clients: the PROXY protocol, and HTTP headers. No I/O.

Imports `config`.
"""
