"""Fixed-point formats for trained networks, and the search for the shortest ones that keep the accuracy.

Imports workloads.  Begin with `search`.
"""
