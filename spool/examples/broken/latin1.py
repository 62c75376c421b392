"""Deliberately broken: saved as Latin-1, and it does not say so."""

import os

NAME = "café"
HERE = os.getcwd()
