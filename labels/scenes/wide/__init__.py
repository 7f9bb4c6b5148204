"""The wide draw: fonts, backgrounds, faults of pictures, and questions from a grammar."""
