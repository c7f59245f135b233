"""
TLS without a proxy: `ssl:` endpoints, whose certificates can be replaced while clients are connected.

Owns their endpoint strings (`endpoint`), the reading of certificates (`certificate`), and which one is in
use (`keeper`).
"""
