"""Damaged and hostile input for every reader: mutations, the targets that they are given to, and a short run of it."""
