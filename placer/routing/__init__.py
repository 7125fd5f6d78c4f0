"""The routing estimate of a flat placement: Steiner trees, routed by patterns on gcells within the capacity of tracks.

`trees` turns nets into two-pin connections, `gcells` says how many tracks there are between neighboring gcells,
`patterns` routes the connections, `estimation` joins them.  Imports netlists and the location of pins in the cost.
"""

from placer.routing.estimation import RoutingEstimate, estimate, summary

__all__ = ["RoutingEstimate", "estimate", "summary"]
