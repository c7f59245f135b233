"""All nuisances, by the name that the command line has for each, and in groups."""

from bench.abuse import relay_nuisances, rendezvous_nuisances, web_nuisances

GROUPS = {
    "frames on /v1": "fragments empty-fragments websocket-pings pongs binary unfinished",
    "commands on /v1": "ping-commands bytes deep-json echoed-errors binds lists deaf",
    "messages": "large-adds small-adds pair deaf-pair long-mailbox",
    "mailboxes, nameplates": "new-mailboxes allocations claims guesses",
    "connections": "handshakes closes invalid-frames extensions refused-upgrades connections garbage",
    "pages": "get get-anew get-deaf half-closed all-pages no-pages status ready head",
    "endless requests": "get-bytes headers endless-headers chunks bodies slowloris empty-lines",
    "relay handshakes": (
        "relay-handshakes relay-waiting relay-slowly relay-garbage relay-pings relay-text"
    ),
    "relay pairs": (
        "relay-pair relay-deaf-pair relay-bytes relay-frames relay-fragments relay-credit"
    ),
}
NUISANCES = {
    **rendezvous_nuisances.NUISANCES,
    **web_nuisances.NUISANCES,
    **relay_nuisances.NUISANCES,
}
