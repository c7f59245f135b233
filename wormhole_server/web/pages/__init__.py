"""
The pages for browsers: / with the commands that use this server, and /status with what it has done.

Imports the rest of `web`. A page loads nothing from elsewhere and sets no cookie.
"""
