"""ONNX models as layers: the graph is walked with its shapes, each operator becomes the products that it computes.

Begin with `importer`; `operators` lists what is supported.
"""
