"""
The command `wormhole-client load`: from options to many clients at once, and the table of results.
"""

import argparse
from typing import Any, Final

from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from wormhole_client.checks.connection_probes import ProbeTarget
from wormhole_client.checks.exchange_probes import IdleClient, exchange_messages
from wormhole_client.checks.load import LoadResults, run_load, table
from wormhole_client.checks.relay_probe import connect_through_relay
from wormhole_client.commands.terminal import say, show
from wormhole_client.network.endpoints import Internet

IDLE_AT_ONCE: Final = 50  # idle clients that connect at the same time


async def load(reactor: Any, options: argparse.Namespace) -> None:
    """
    Put the load on the server that the options describe, and print the table.

    :raises SystemExit: a run failed, or an idle client lost its connection.
    """
    target = ProbeTarget(reactor, Internet(reactor), options.relay_url)
    all_results = []
    idle: list[IdleClient] = []

    async def connect_idle() -> None:
        client = IdleClient(target)
        await client.connect()
        idle.append(client)

    async def pair() -> None:
        relay = options.transit_helper
        await connect_through_relay(target, relay, relay, options.size)
        pairs.moved += options.size

    lost = 0
    try:
        if options.idle:
            all_results.append(idling := LoadResults("idle clients"))
            await run_load(reactor, idling, options.idle, IDLE_AT_ONCE, connect_idle)
        if options.exchanges:
            all_results.append(exchanges := LoadResults("exchanges"))
            await run_load(
                reactor,
                exchanges,
                options.exchanges,
                options.concurrency,
                lambda: exchange_messages(target),
            )
        if options.pairs:
            all_results.append(pairs := LoadResults("relay pairs"))
            await run_load(reactor, pairs, options.pairs, options.concurrency, pair)
        if options.idle and options.hold:
            say(f"holding {len(idle)} idle clients for {options.hold} seconds")
            await deferLater(reactor, options.hold)
    finally:  # after Ctrl-C too: what was measured until then is printed
        lost = sum(client.lost for client in idle)
        await gatherResults([client.close() for client in idle])
        show(table(all_results))
    if lost:
        say(f"{lost} idle clients lost their connection")
    if lost or any(results.failures for results in all_results):
        raise SystemExit(1)
