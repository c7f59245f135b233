"""
The transit relay: two connections that bring the same token become one stream.

    credit                        how many bytes a peer takes, as it grants them; no I/O
    handshake, pairing, session   what a client must send, which connections are paired, what ends a
                                  connection; no I/O
    observer                      what the relay reports about itself
    descriptor, transport         what the relay needs of a peer's socket and of its transport
    rates                         how many bytes a second a pair, an address and all may send
    traffic                       how many bytes were relayed this month
    link, links/                  how the bytes of a pair get from one peer to the other
    connection, pair, relay       the above, tied to a clock
    tcp, websocket                the transports of peers, as Twisted and `wormhole_websocket` have them

Imports `wormhole_limits`, `wormhole_twisted` and `wormhole_websocket`; none of the other packages.
"""
