"""Questions as people ask them of their own accord, for training only."""
