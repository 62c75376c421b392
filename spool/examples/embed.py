"""Turns documents into vectors, by hashing their words: a stand-in for a model that takes long to load."""

import math
import re
import zlib
from typing import Any

from spoold import Item

WORD = re.compile(r"\w+")


class Embedder:
    """Made once in each worker; called for each document."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions  # a real one would load its model here

    def __call__(self, item: dict[str, Any], ctx: Item) -> dict[str, Any]:
        """The document's vector, of length 1."""
        words = WORD.findall(item["text"].lower())
        if not words:
            raise ValueError("there are no words in the text")
        ctx.log.info("%d words", len(words))  # goes to job.log, with the item's id
        vector = [0.0] * self.dimensions
        for word in words:
            digest = zlib.crc32(word.encode())
            vector[digest % self.dimensions] += 1.0 if digest >> 31 else -1.0
        length = math.hypot(*vector) or 1.0
        return {"vector": [round(value / length, 4) for value in vector]}
