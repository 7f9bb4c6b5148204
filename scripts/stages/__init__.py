"""The work of each command, under the command's name."""
