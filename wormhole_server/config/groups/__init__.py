"""
The settings by group: names, types, defaults and help texts. `config/settings.py` combines the groups.

The only place for a default value: the server's parts take arguments without one. An attribute
`nameplate_expiry` is the flag `--nameplate-expiry`, the environment variable
`WORMHOLE_SERVER_NAMEPLATE_EXPIRY` and the TOML key `nameplate-expiry`. Durations are in seconds, sizes in
bytes. Imports the value kinds and `option` only.
"""
