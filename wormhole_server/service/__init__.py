"""
The composition root: the settings become a running server.

`server` is the whole: the parts, what each is given, and the order in which they start and stop.
`rendezvous` and `relay` are its two larger parts; `arguments` converts the settings for both. Imports
every room but `commands`, `plugin` and `cli`.
"""
