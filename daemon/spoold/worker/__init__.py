"""The child that runs a handler."""
