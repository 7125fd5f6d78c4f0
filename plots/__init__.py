"""Figures and self-contained HTML pages: arrays and plain data in, PNG and HTML out; nothing is computed here.

May import `netlists` only.  Begin with `style`, the common look of all figures, then with a page: `report` (placement
runs), `exploration` (design space), `netlist` (`placer info`) or `page`, the generic page of sections.
"""
