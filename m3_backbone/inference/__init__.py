"""From image and question to answers at any scale."""
