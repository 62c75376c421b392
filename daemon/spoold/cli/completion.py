"""Completion in bash, which breaks a word at an @, also that of a JOB with a run key."""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string


def whole_words(words: list[str]) -> list[str]:
    """The words, those put together again that bash broke at an @."""
    found: list[str] = []
    for word in words:
        if found and (word.startswith("@") or found[-1].endswith("@")):
            found[-1] += word
        else:
            found.append(word)
    return found


class BashWithRunKeys(BashComplete):
    """click's; what bash replaces begins with the @."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The whole words after the command, and the one that was begun."""
        at = int(os.environ["COMP_CWORD"])
        words = split_arg_string(os.environ["COMP_WORDS"])[: at + 1]
        begun = [""] if len(words) <= at else []  # the cursor stands after a blank
        *before, last = [*whole_words(words), *begun]
        self._prefix = last.partition("@")[0] if "@" in last else ""
        return before[1:], last

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """What is to stand where bash thinks that the word begins."""
        item.value = item.value.removeprefix(self._prefix)
        return super().format_completion(item)


def register() -> None:
    """Let click use it."""
    add_completion_class(BashWithRunKeys)
