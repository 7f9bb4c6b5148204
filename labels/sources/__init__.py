"""Any data set to questions."""
