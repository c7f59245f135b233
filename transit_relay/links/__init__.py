"""
The links: how bytes get from one buddy to the other.

    producer                  from one Twisted transport to the other, whatever they are
    splice                    from socket to socket; makes the best link for a pair
    direction, framed         one direction of a splice link: from a TCP peer, from a WebSocket peer
    mover, pipe               what bytes go through: this process's memory, the kernel's pipe
    resources                 what all pairs share: the pipe and the memory

Imports `link`, `transport`, `descriptor`, `credit` and `observer` of `transit_relay`, and nothing that
imports this package.
"""
