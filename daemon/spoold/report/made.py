"""What the maker of pages answers."""

import msgspec


class Made(msgspec.Struct):
    """A job's page is there, or `error` says why not."""

    job: str
    error: str | None = None
