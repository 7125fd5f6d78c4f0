"""`python -m placer` does what the command `placer` does."""

from placer.commands.start import main

main()
