"""The schema's history: one step a change, run at start by `wormhole_server.migrate`."""
