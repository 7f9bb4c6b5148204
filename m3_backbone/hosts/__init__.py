"""Model families: one file each, beside the contract that a family fulfils."""
