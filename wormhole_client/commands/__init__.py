"""
The commands of `wormhole-client`, their options, and the terminal.

Imports everything else of the package.
"""
