"""
The version of this package; the build reads it from here.
"""

VERSION = "1.0.0"
