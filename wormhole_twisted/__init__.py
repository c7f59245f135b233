"""
What the servers need of Twisted beyond its public interface: a repeating timer that outlives exceptions,
and every use of Twisted's private attributes.

Imports none of the other packages.
"""
