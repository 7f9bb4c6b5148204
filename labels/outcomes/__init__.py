"""The outcome table on disk."""
