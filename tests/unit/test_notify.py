"""What systemd is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoold.system.notify import Notifier

Make = Callable[[dict[str, str]], Notifier]


class Systemd:
    """The other end of the notification socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(10)

    def heard(self) -> str:
        """The next notice."""
        return self.socket.recv(65536).decode()


@pytest.fixture
def notifier() -> Iterator[Make]:
    """Makes notifiers, and closes them."""
    made: list[Notifier] = []

    def make(environ: dict[str, str]) -> Notifier:
        made.append(Notifier(environ))
        return made[-1]

    yield make
    for one in made:
        if one._socket is not None:
            one._socket.close()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the socket is; short, since such addresses may not be long."""
    return str(tmp_path / "n")


@pytest.fixture
def systemd(path: str) -> Iterator[Systemd]:
    """A systemd that listens."""
    one = Systemd(path)
    yield one
    one.socket.close()


def test_a_notice_arrives(notifier: Make, systemd: Systemd, path: str) -> None:
    """Assignments, one a line."""
    notifier({"NOTIFY_SOCKET": path}).send(READY=1, STATUS="3 jobs run")
    assert systemd.heard() == "READY=1\nSTATUS=3 jobs run"


def test_an_abstract_address(notifier: Make) -> None:
    """An @ stands for the NUL of an abstract socket."""
    systemd = Systemd(f"\0spoold-test-{os.getpid()}")
    notifier({"NOTIFY_SOCKET": f"@spoold-test-{os.getpid()}"}).send(WATCHDOG=1)
    assert systemd.heard() == "WATCHDOG=1"
    systemd.socket.close()


@pytest.mark.parametrize("status", ["ok\nMAINPID=1", "ok\rMAINPID=1", "ok\u2028MAINPID=1"])
def test_no_text_forges_an_assignment(notifier: Make, systemd: Systemd, path: str, status: str) -> None:
    """A value stays on its line."""
    notifier({"NOTIFY_SOCKET": path}).send(STATUS=status)
    assert systemd.heard() == "STATUS=ok MAINPID=1"


def test_any_text_can_be_sent(notifier: Make, systemd: Systemd, path: str) -> None:
    """Also what is no UTF-8."""
    notifier({"NOTIFY_SOCKET": path}).send(STATUS="\udc80")
    assert systemd.heard() == "STATUS=\\udc80"


def test_children_cannot_speak_for_us(notifier: Make, path: str) -> None:
    """The variables are taken out of the environment, also those that are not used."""
    environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1", "HOME": "/root"}
    notifier(environ)
    assert environ == {"HOME": "/root"}


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({}, None),
    ],
)
def test_the_watchdogs_interval(notifier: Make, path: str, environ: dict[str, str], seconds: float | None) -> None:
    """In seconds, if it is us who are watched."""
    assert notifier({"NOTIFY_SOCKET": path, **environ}).watchdog == seconds


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_systemd_nothing_happens(notifier: Make, environ: dict[str, str]) -> None:
    """Neither outside a unit nor when the socket is gone."""
    notifier(environ).send(READY=1)


def test_a_deaf_systemd_does_not_hold_us_up(notifier: Make, systemd: Systemd, path: str) -> None:
    """When its queue is full, notices are dropped."""
    one = notifier({"NOTIFY_SOCKET": path})
    for k in range(2000):
        one.send(STATUS=k)
    assert systemd.heard() == "STATUS=0"
