"""The manual: pages in Markdown, and what is generated from the code.

Begin with `index.md`; `make docs` builds the manual.
"""
