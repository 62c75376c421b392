"""Decisions: no clock, file, signal, log or chance in here."""
