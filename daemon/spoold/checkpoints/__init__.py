"""Stores of doneness beside the journal: tables, files and servers that people's own scripts kept it in."""
