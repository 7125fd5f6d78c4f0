"""The bundled designs, written by `netlists.synthetic.generate`; begin with `netlists.formats.files.catalog`."""
