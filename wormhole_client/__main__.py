"""`python -m wormhole_client` is `wormhole-client`."""

from wormhole_client.cli import main

main()
