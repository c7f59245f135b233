"""
The commands of /v1, each in one class: what it carries, when it is allowed, the keys that its operation takes
turns on, the rule that carries it out, its reply, what follows from its result, and what is undone when the
ledger refuses it. Nobody else asks which command it is.

Imports `errors`, `protocol`, `observer`, `ledger.keys`, `ledger.transaction`, `rules`, `sharing` and
`subscriptions`.
"""
