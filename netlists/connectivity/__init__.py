"""Views of a netlist as a graph: what its nets join, as flat arrays and as networkx graphs.

May import the netlist, its placement and the settings of the clustering.  Begin with `summary`, which collects what
`placer info` shows; `dataflow`, `hierarchy`, `rent` and `statistics` each hold one view, and `strengths` the
connections that the report page draws.
"""

from netlists.connectivity.dataflow import Dataflow, trace_dataflow
from netlists.connectivity.hierarchy import build_hierarchy, hierarchy_rows
from netlists.connectivity.rent import Rent, estimate_rent
from netlists.connectivity.statistics import (
    Components,
    build_bipartite_graph,
    count_net_degrees,
    count_node_degrees,
    find_components,
    group_net_degrees,
)
from netlists.connectivity.strengths import Connectivity, connectivity
from netlists.connectivity.summary import Graphs, Summary, build_graphs, summarize

__all__ = [
    "Components",
    "Connectivity",
    "Dataflow",
    "Graphs",
    "Rent",
    "Summary",
    "build_bipartite_graph",
    "build_graphs",
    "build_hierarchy",
    "connectivity",
    "count_net_degrees",
    "count_node_degrees",
    "estimate_rent",
    "find_components",
    "group_net_degrees",
    "hierarchy_rows",
    "summarize",
    "trace_dataflow",
]
