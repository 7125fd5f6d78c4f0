"""Fixed-point formats for trained networks: what word lengths cost in accuracy.

Imports workloads.  Begin with `search`.
"""
