"""
What one address may take, and all together: how addresses are grouped, and how rates, work and memory are
bounded.

No I/O: values in, values out; time is a parameter. Imports none of the other packages.
"""
