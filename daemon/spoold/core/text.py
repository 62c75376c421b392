"""Text from users, made safe to show: one line, no terminal escapes, no bidirectional tricks."""

from __future__ import annotations

import shlex


def printable(text: str, limit: int = 200) -> str:
    r"""The text with everything that is not printable escaped as Python would, and cut to about `limit` characters.

    Bytes of a file name that are not UTF-8 (lone surrogates from os.fsdecode) show as `\xNN`.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable() and "\\" not in cut:
        return cut
    return "".join(map(_escaped, cut))


def _escaped(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if char.isprintable():
        return char
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def shell_word(text: str, limit: int = 512) -> str:
    """What users wrote as a word of a command to be copied; ID where it is longer or has what is not to be shown."""
    return shlex.quote(text) if text.isprintable() and len(text) <= limit else "ID"
