"""`python -m placer` does what the command `placer` does."""

from placer.start import main

main()
