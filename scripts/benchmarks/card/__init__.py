"""The tables of the embedded model's card, from stored ladders."""
