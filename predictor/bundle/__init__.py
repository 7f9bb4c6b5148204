"""A saved router: files, card, hub."""
