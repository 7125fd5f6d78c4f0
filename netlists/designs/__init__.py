"""The bundled netlists, written by `python -m netlists.synthetic.generate` and `python -m dse.exploration.bundled`."""
