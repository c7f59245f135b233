"""
Usage records: kept for each relay connection, reported, and imported from other servers.

Imports `database`, `config` and `errors`; `metrics` for the values that the status page shows; of the other
packages `rendezvous` and `transit_relay`. A record holds no token, side or address.
"""
