"""Published results of accelerators, in our own form, each with its source; `dse validate` compares with them."""
