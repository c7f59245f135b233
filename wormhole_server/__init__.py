"""
The server as its operator sees it: configuration, listeners, web pages, metrics, database, commands.

The only package that imports `rendezvous`, `transit_relay` and `wormhole_client`. Inside it imports go one
way: `errors` and `config` at the bottom; above them the parts of the server; above those `service`, which
assembles them, `commands`, and `cli` and `plugin`, which start them.
"""
