"""
The web: the web root (/v1, /transit, the pages, /healthz and /readyz) and the metrics page.

Imports `listening`, `metrics`, `usage`, `config` and `errors`; of the other packages `rendezvous` and
`transit_relay`.
"""
