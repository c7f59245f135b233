"""
Transit: from the hints of both ends to one encrypted connection.

Imports `network`, `keys` and `errors`.
"""
