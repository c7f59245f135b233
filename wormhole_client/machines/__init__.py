"""
The state machines of one wormhole, and the boss that connects them.

The machines have the names of the reference client's design: Nameplate, Mailbox, Code, Key, Order,
Receive, Send. Each is a typed Automat machine: a `Protocol` of inputs, and a core
with what the transitions work on. States of the machines that talk to the server come in pairs, offline
and online; what the server has not answered is sent again after a reconnect.

Imports `network.link` (the interfaces of a link), `keys`, `codes`, `code_input`, `delegate`, `eventual`,
`stamps` and `errors`.
"""
