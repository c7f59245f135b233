"""
What the server of the browser client and the check of a server have to agree on: the headers of its page and
files, and the fingerprint of the files.

Imports none of the other packages.
"""
