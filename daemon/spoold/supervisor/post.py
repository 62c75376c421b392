"""A process that posts one message: `python -m spoold.supervisor.post`, with address and message on standard input.

Exit code 0: somebody answered with 2xx. Else standard error says why, without the address, which may hold a secret.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """See HTTPRedirectHandler: an answer like others."""


def request(url: str, body: bytes) -> urllib.request.Request:
    """A POST of JSON; a user and password in the address become a header.

    Raises:
        ValueError: this is no address to post to.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the url does not begin with http://HOST or https://HOST")
    headers = {"Content-Type": "application/json", "User-Agent": "spoold"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urllib.request.Request(parts.geturl(), data=body, headers=headers, method="POST")  # noqa: S310 - looked at


def post(url: str, body: bytes, timeout: float) -> str | None:
    """Post it; why it was not taken, None if it was."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request(url, body), timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"the answer was {error.code}"
    except urllib.error.URLError as error:
        return f"nobody answered: {getattr(error.reason, 'strerror', None) or type(error.reason).__name__}"
    except (OSError, ValueError) as error:
        return f"it can't be posted: {getattr(error, 'strerror', None) or type(error).__name__}"


def main() -> int:
    """The process."""
    told = json.load(sys.stdin)
    why = post(told["url"], json.dumps(told["body"]).encode(), told["timeout"])
    if why is not None:
        print(why, file=sys.stderr)  # noqa: T201 - whoever started us reads it
    return 1 if why is not None else 0


if __name__ == "__main__":
    sys.exit(main())
