"""`python -m placer` does what the command `placer` does."""

from placer.cli import main

main()
