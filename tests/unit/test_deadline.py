"""The alarm that ends an attempt in Python code: at most one, and none outside."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from spoold.worker.deadline import Deadline
from spoold.worker.line import STARTED, new_line
from spoold.worker.steer import ItemTimeout

# the other method would use the signal itself
pytestmark = pytest.mark.timeout(60, method="thread")


@pytest.fixture
def deadline() -> Iterator[Deadline]:
    """One of 20 ms; the signal is put back at the end."""
    before = signal.getsignal(signal.SIGALRM)
    yield Deadline(0.02, new_line())
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
    signal.signal(signal.SIGALRM, before)


def let_it_ring() -> None:
    """Wait until the alarm has rung."""
    while signal.getitimer(signal.ITIMER_REAL)[0]:
        time.sleep(0.001)  # wait: for a timer that was set
    time.sleep(0)


def test_an_attempt_is_interrupted_once(deadline: Deadline) -> None:
    """What it does afterwards is not."""
    deadline.arm()
    with pytest.raises(ItemTimeout, match=r"`timeout` of 0\.02 s"):
        let_it_ring()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    deadline.disarm()


def test_the_line_says_when_it_began(deadline: Deadline) -> None:
    """For the runner, who ends what can't be interrupted."""
    line = deadline._line
    deadline.arm()
    assert 0 <= time.monotonic_ns() - line[STARTED] < 1e10
    deadline.disarm()
    assert line[STARTED] == 0


def test_an_attempt_that_ended_is_not_interrupted(deadline: Deadline) -> None:
    """Also when the alarm rings at that moment."""
    deadline.arm()
    deadline.disarm()
    signal.raise_signal(signal.SIGALRM)


def test_a_shield_puts_it_off(deadline: Deadline) -> None:
    """What is due within is raised at its end."""
    deadline.arm()
    done = False
    with pytest.raises(ItemTimeout):  # noqa: PT012 - where in the block it is raised is what is tested
        with deadline.shield():
            let_it_ring()
            done = True
        pytest.fail("nothing was raised at the end of the shield")
    assert done


def test_a_shield_of_another_thread_is_its_own(deadline: Deadline) -> None:
    """It neither keeps the alarm from the thread that runs the handler, nor takes it over."""
    inside, go, raised = threading.Event(), threading.Event(), []

    def work() -> None:
        try:
            with deadline.shield():
                inside.set()
                go.wait()
        except ItemTimeout as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    deadline.arm()
    with pytest.raises(ItemTimeout):
        let_it_ring()
    go.set()
    thread.join()
    assert raised == []


def test_an_alarm_that_was_held_up_is_not_the_next_attempts(deadline: Deadline) -> None:
    """A handler that keeps the signal out until it has ended leaves it pending."""
    deadline.arm()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGALRM,))
    signal.pthread_kill(threading.get_ident(), signal.SIGALRM)
    deadline.disarm()
    assert signal.SIGALRM in signal.sigpending()
    deadline.arm()
    assert signal.SIGALRM not in signal.sigpending()
    deadline.disarm()


def test_what_the_handler_did_to_the_signal_is_undone(deadline: Deadline) -> None:
    """The next attempt has its time again."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    deadline.arm()
    with pytest.raises(ItemTimeout):
        let_it_ring()


def test_without_a_timeout_the_signal_is_left_alone() -> None:
    """It is the handler's."""
    before, line = signal.getsignal(signal.SIGALRM), new_line()
    deadline = Deadline(None, line)
    deadline.arm()
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0.0, 0.0))
    assert line[STARTED] == 0
    deadline.disarm()
