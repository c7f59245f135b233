"""
What clients may take of what all share: bytes and nameplates of an address, guesses, the disk.

Imports `errors`, `protocol` and `subscriptions`. No clock: time is a parameter.
"""
