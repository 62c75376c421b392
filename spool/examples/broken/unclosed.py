"""Deliberately broken: the bracket in line 3 is never closed. Close it, then run `spool retry-failures`."""

PRIMES = [2, 3, 5, 7, 11
TOTAL = sum(PRIMES)
