"""
Where clients connect: ports, connection limits, refused connections, trusted proxies and TLS.

Imports `config`, `lifecycle` and `errors`.
"""
