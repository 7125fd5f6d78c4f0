"""Data that come with the package: ready-made spaces and published designs."""
