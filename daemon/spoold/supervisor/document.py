"""From the bytes of a document to text that the YAML parser may see."""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from spoold.core.text import printable
from spoold.errors import ManifestError
from spoold.supervisor.scalars import CONTROL, codepoint

# A JSON escape; a pair of surrogates is written as one character, which is what libyaml understands.
_ESCAPE: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)


def decode(data: bytes, name: str) -> str:
    """The text of a document; a `.json` one as YAML that has its nodes in the same places.

    Raises:
        ManifestError: not UTF-8, a character that can't be used, not JSON though the name says so.
    """
    text = _characters(data, name)
    return _json_as_yaml(text, name) if name.endswith(".json") else text


def _characters(data: bytes, name: str) -> str:
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise ManifestError("the file begins with a byte order mark", name=name, remedy="save it as UTF-8 without BOM")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8"))
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise ManifestError(what, name=name, line=line, column=column, remedy="save the file as UTF-8") from error
    if bad := CONTROL.search(text):
        line, column = _place(text[: bad.start()])
        what = f"the character {codepoint(bad[0])} can't be used"
        raise ManifestError(what, name=name, line=line, column=column, remedy="remove it")
    return text


def _json_as_yaml(text: str, name: str) -> str:
    """Check that it is JSON and smooth out where JSON is not YAML, every node staying in its place."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        what = f"not valid JSON: {printable(error.msg)}"
        raise ManifestError(what, name=name, line=error.lineno, column=error.colno, remedy="mend it") from error
    except RecursionError:
        pass  # the events will tell where it is too deep
    except ValueError as error:
        raise ManifestError(f"not valid JSON: {printable(str(error))}", name=name) from error
    # Tabs are not allowed inside JSON strings, so all of them stand between tokens.
    return _ESCAPE.sub(_one_character, text.replace("\t", " "))


def _one_character(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    high, low = int(match[1], 16), int(match[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + low - 0xDC00:08x}"


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON has")


def _place(before: str) -> tuple[int, int]:
    """Line and column of what follows `before`."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1
