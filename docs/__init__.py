"""The manual: pages in Markdown, and what is generated from the code.  Begin with `index.md`; build with `make docs`."""
