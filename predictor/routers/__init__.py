"""Routers: one file each, beside the contract they fill, and their calibration."""
