"""
TLS without a proxy: `ssl:` endpoints, whose certificates can be replaced while clients are connected.

Owns their endpoint strings (`endpoint`), the reading of certificates (`certificate`), which one is in use
(`keeper`), how all that gets before a factory (`listening`), and how connections end (`transport`).
"""
