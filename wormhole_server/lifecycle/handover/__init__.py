"""
The handover: a server that stops gives its successor the connections of the relay, and its ports.

    state       what is said of each of them, and in which version of the format; no I/O
    bundle      any number of sockets with what is said of them, as one file descriptor
    take_over   the Unix socket on which a server waits for its successor, and asks its predecessor

Between the two processes the bundle is kept by systemd, or goes over the Unix socket. Imports nothing else of
`wormhole_server`, and of `transit_relay` the values of a connection.
"""
