"""Hostile and clumsy input for every command, and what became of it."""
