"""The connection to a Redis or Valkey: sane time limits, and errors that say whether they pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from spoold.errors import CheckpointAway, CheckpointError

_CONNECT, _READ = 5.0, 10.0  # seconds, at most
_PASSING: Final = (
    "LOADING", "READONLY", "MISCONF", "OOM", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "BUSY ", "NOREPLICAS",
)  # fmt: skip


class Server:
    """One Redis, as its url names it.

    Attributes:
        where: the url without its password.
    """

    def __init__(self, url: str, patience: float) -> None:
        """`patience`: seconds that one answer may take."""
        self._url = url
        self._patience = patience
        self._secrets = _secrets(url)
        self.where = _shown(url, self._secrets)
        self._client: Any = None

    def connect(self) -> Any:
        """A client of redis-py; nothing is sent yet.

        Raises:
            CheckpointError: the package is missing, or the url is wrong.
        """
        try:
            from redis import Redis  # noqa: PLC0415 - an extra, and not to be loaded by a runner
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError as error:
            raise CheckpointError(
                f"the package redis can't be imported: {error}",
                where="checkpoint redis",
                remedy="install it where spoold runs: pip install 'spoold[redis]'",
            ) from error
        self.close()
        limits = {"socket_timeout": min(_READ, self._patience)}
        if not self._url.startswith("unix:"):
            limits["socket_connect_timeout"] = min(_CONNECT, self._patience)
        try:
            self._client = Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), **limits)
        except ValueError as error:
            raise CheckpointError(
                self._masked(str(error)), where=self.where, remedy="write redis://[[user]:password@]host[:port][/db]"
            ) from None
        return self._client

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Errors of redis-py become ours, without the password."""
        from redis import exceptions  # noqa: PLC0415 - as above

        try:
            yield
        except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
            raise self._wrong(error, "give a user and password that it takes in the `url`") from None
        except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
            raise self._away(error) from None
        except exceptions.RedisError as error:
            if str(error).startswith(_PASSING) or isinstance(error, exceptions.BusyLoadingError):
                raise self._away(error) from None
            if "NOAUTH" in str(error):
                raise self._wrong(error, "give a user and password that it takes in the `url`") from None
            raise self._wrong(error, "look at the keys batch:NAME:* there, or choose another `name`") from None

    def _away(self, error: Exception) -> CheckpointAway:
        return CheckpointAway(
            self._masked(str(error)), where=self.where, remedy="the job goes on by itself when it can be reached"
        )

    def _wrong(self, error: Exception, remedy: str) -> CheckpointError:
        return CheckpointError(self._masked(str(error)), where=self.where, remedy=remedy)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _shown(url: str, secrets: list[str]) -> str:
    """The url with its passwords hidden."""
    for secret in secrets:
        url = url.replace(f":{secret}@", ":***@").replace(f"password={secret}", "password=***")
    return url


def _secrets(url: str) -> list[str]:
    """Passwords in a url, as they stand there."""
    try:
        parts = urlsplit(url)
        return [secret for secret in (parts.password, *parse_qs(parts.query).get("password", [])) if secret]
    except ValueError:
        return []
