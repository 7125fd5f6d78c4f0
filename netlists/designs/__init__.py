"""The bundled netlists, written by `python -m netlists.synthetic.generate`."""
