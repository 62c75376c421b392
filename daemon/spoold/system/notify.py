"""sd_notify: tell systemd how the service is; without systemd nothing happens.

Protocol: sd_notify(3). The socket is named by NOTIFY_SOCKET, a path or, with a leading @, an abstract name.
"""

from __future__ import annotations

import os
import socket


class Notifier:
    """The service's line to systemd. The environment is cleared of it, so that no child can speak for us."""

    def __init__(self, environ: dict[str, str] | os._Environ[str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        interval = environ.pop("WATCHDOG_USEC", "")
        watched = environ.pop("WATCHDOG_PID", str(os.getpid()))
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        #: Seconds within which systemd wants to hear WATCHDOG=1; None when it does not watch us.
        self.watchdog = int(interval) / 1e6 if interval and self._socket and watched == str(os.getpid()) else None

    def send(self, **fields: str | int) -> None:
        """Send assignments such as READY=1; a notice that can't be delivered is dropped, as sd_notify(3) advises."""
        if self._socket is None:
            return
        text = "\n".join(f"{name}={' '.join(str(value).splitlines())}" for name, value in fields.items())
        try:
            self._socket.sendto(text.encode(errors="backslashreplace"), self._address)
        except OSError:
            return
