"""Networks: as layers with loop bounds, built in, or read from ONNX and SCALE-Sim files.

Imports errors only.  Begin with `layers`.
"""
