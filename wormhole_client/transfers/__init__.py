"""
File transfer: the sending and receiving of texts, files and directories.

Imports `transit`, `network` and the library.
"""
