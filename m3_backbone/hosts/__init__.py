"""Model families: one file each, beside the contract they fill."""
