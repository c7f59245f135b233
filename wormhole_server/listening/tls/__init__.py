"""
TLS for `ssl:` endpoints, with certificates that can be replaced while clients are connected.

Imports `config`, `lifecycle` and `errors`.
"""
