"""What the words of a document mean, and which may not stand in it.

Plain (unquoted) scalars mean less than in YAML 1.1: true and false, null, decimal numbers; all else is text. What YAML
1.1 would take for something that the author may not have meant (`no`, 0755, 12:30:45, 1_000, 2024-01-01) is refused
rather than guessed at.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from spoold.core.text import printable

# C0 and C1 controls, line separators that other tools count differently, marks that reorder or hide what a reader sees,
# and what is no character at all.
CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_FLOAT: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?", re.ASCII)
_JSON_FLOAT: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Whatever YAML 1.1 or 1.2 resolves to a bool, number or time, beyond the forms above.
_DOUBTFUL: Final = re.compile(
    r"""(?ix: yes|no|on|off
        | [-+]?0[0-9_]+ | [-+]?0o[0-7_]+ | [-+]?0b[01_]+ | [-+]?0x[0-9a-f_]+
        | [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
        | [-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)? | [-+]?\.[0-9][0-9_]*([eE][-+]?[0-9]+)?
        | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\ \t].*)? )""",
    re.ASCII,
)
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
KEYS: Final = frozenset({"on"})
"""Words that are doubtful as a value, but as a key nothing else than text: the manifest has them."""
_INT64: Final = -(2**63)
_UINT64: Final = 2**64 - 1


def plain(text: str, *, json: bool = False) -> Any:
    """What an unquoted scalar means: None, a bool, an int, a float or the text itself.

    Args:
        text: the scalar.
        json: read 1e3 as JSON does; in YAML 1.1 it is text, in YAML 1.2 a number.

    Raises:
        ValueError: it could be taken for two things, or is a number that JSON or 64 bits do not have.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _SPECIAL.fullmatch(text):
        raise ValueError("is not a number that can be used")
    if _INTEGER.fullmatch(text):
        if len(text) > 20 or not _INT64 <= int(text) <= _UINT64:
            raise ValueError("is an integer of more than 64 bits")
        return int(text)
    if (_JSON_FLOAT if json else _FLOAT).fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError("is too great for a number")
        return number
    if _DOUBTFUL.fullmatch(text):
        raise ValueError(
            "may be taken for a yes/no, a number or a time (write true or false, or a plain decimal number)"
        )
    return text


def describe(value: Any) -> str:
    """What a value is, for a message: `the number 5`, `a list`."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return f"the truth value {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text '{printable(value, 60)}'"
        case list():
            return "a list"
        case _:
            return "a mapping"


def codepoint(char: str) -> str:
    """A character's name in messages: `U+001B`."""
    return f"U+{ord(char):04X}"
