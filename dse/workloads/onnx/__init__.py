"""ONNX models as networks.

Imports `dse.workloads.layers` and `onnx`.  Begin with `importer`; `walk` resolves the graph, `layers` and `products`
turn its nodes into layers.
"""
