"""Data in the package, no code: ready-made design spaces in `spaces`, published designs in `published`."""
