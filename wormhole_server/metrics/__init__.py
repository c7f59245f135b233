"""
Metrics: every series of `/metrics`, one module for each part of the program, and the history of the status
page.

Imports `listening`, `lifecycle`, `config` and `errors`; `rendezvous` and `transit_relay` as well, whose
observers it implements. Everything here runs on the reactor's thread.
"""
