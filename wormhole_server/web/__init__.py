"""
The web: the web root (/v1, /transit, the pages, /healthz and /readyz) and the metrics page.

Imports `listening`, `metrics`, `usage`, `config` and `errors`; `rendezvous` and `transit_relay` as well.
"""
