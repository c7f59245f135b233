"""
What one address may take, and all together: how addresses are grouped, and how rates, work and memory are
bounded.

No I/O: values in, values out. Time is a parameter, except for `scheduler`, which is given a clock and sets
timers. Imports none of the other packages.
"""
