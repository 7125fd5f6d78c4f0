"""Networks: layers with loop bounds, built in or read from ONNX and SCALE-Sim files.

Imports `netlists.errors` only.  Begin with `layers`, which says what a layer is; `files` loads a network by name.
"""
