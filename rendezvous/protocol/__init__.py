"""
The protocol of /v1: the form of a client's message, the replies, what is allowed when, the moods. No I/O.

Bytes or values in, values or bytes out; time is a parameter. Imports `rendezvous.errors` and
`wormhole_limits.stamps` only.
"""
