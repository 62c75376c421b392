"""How an id stands in a column of an SQLite table, whatever that column was declared as.

SQLite turns text into a number in a column of numbers, if it looks like one, and then 5, '5' and '05' are the same; in
a column without a type 5 and '5' are different. Here ids are text: what is stored for '5' is what a script would have
stored, and what would be turned into another id's number is stored as a blob, which SQLite leaves alone.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
_INTEGER: Final = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_EXACT: Final = {"number": 2**63, "real": 2**53}  # integers below these keep their value


class Affinity(Enum):
    """What SQLite does with values of a column; see "Type Affinity" in its manual."""

    TEXT = "text"
    NUMBER = "number"
    REAL = "real"
    NONE = "none"

    def forms(self, id_: str) -> tuple[str | int | bytes, ...]:
        """The values that stand for this id in such a column; the first is the one to store."""
        if self is Affinity.TEXT or not _NUMBER.fullmatch(id_):
            return (id_,)
        exact = _INTEGER.fullmatch(id_) is not None and len(id_) < 20 and abs(int(id_)) < _EXACT.get(self.value, 2**63)
        if self is Affinity.NONE:
            return (id_, int(id_)) if exact else (id_,)
        return (int(id_),) if exact else (id_.encode(),)


def affinity_of(declared: str) -> Affinity:
    """By the rules of SQLite, from a column's declared type."""
    upper = declared.upper()
    if "INT" in upper:
        return Affinity.NUMBER
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return Affinity.TEXT
    if not upper or "BLOB" in upper:
        return Affinity.NONE
    return Affinity.REAL if any(word in upper for word in ("REAL", "FLOA", "DOUB")) else Affinity.NUMBER


def text_of(value: object) -> str:
    """The id that a stored value stands for."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
