"""What to build: analytic models of CNN accelerators, and the search for the best of them."""
