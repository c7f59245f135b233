"""
Importing the usage databases of magic-wormhole-mailbox-server and magic-wormhole-transit-relay.

Imports the rest of `usage`, `database`, `config` and `errors`.
"""
