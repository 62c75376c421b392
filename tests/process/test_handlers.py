"""What a handler may be, see, return and raise."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import HANDLERS, Daemon, eventually


def whats(*wanted: str) -> dict[str, Any]:
    """Items that ask a handler of `odd` for something."""
    return {"type": "items", "items": [{"id": what, "what": what} for what in wanted]}


def test_a_function(serving: Daemon) -> None:
    """A function is called with each item; what it returns is the result, and None is no result."""
    serving.finish("function", handler="odd:returns", source=whats("tuple", "text"))
    assert [row["result"] for row in serving.results("function")] == [[1, "two", None, {"three": 3.5}], "text"]
    serving.finish("nothing", handler="basic:noop", source=serving.items(3))
    assert serving.results("nothing") == []


def test_the_context(serving: Daemon) -> None:
    """A second parameter gets the item's id, key, attempt, job and worker."""
    serving.finish("context", handler="basic:context", workers=1, source=serving.items(2))
    first, second = (row["result"] for row in serving.results("context"))
    assert first | {"key": ""} == {"id": "0", "key": "", "attempt": 1, "job": "context", "worker": 0, "draining": False}
    assert re.fullmatch("[0-9a-f]{32}", first["key"])
    assert first["key"] != second["key"]


def test_the_key_is_the_same_for_every_attempt(serving: Daemon) -> None:
    """ctx.key is the same when a failed item is run again."""
    serving.finish("key", handler="odd:raises_key", source=serving.items(1))
    first = serving.failures("key")
    serving.command("retry-failures", "key")
    eventually(lambda: len(serving.records("key")) > 1, "the second attempt")
    serving.wait_ended("key")
    assert serving.failures("key")[0]["error"]["message"] == first[0]["error"]["message"]


def test_a_class_is_made_once_per_worker_and_closed(serving: Daemon) -> None:
    """A class gets `params`, is made once in each worker, and is closed at its end."""
    serving.finish("class", handler="basic:Model", params={"size": "big"}, workers=1, source=serving.items(20))
    assert serving.results("class")[-1]["result"] == {"size": "big", "calls": 20}
    assert serving.ledger("class") == ["made-big", "closed"]


def test_the_environment(serving: Daemon) -> None:
    """`env` is there before the handler's import, {worker} in it is the slot's number; SPOOLD_ variables are set."""
    serving.finish(
        "env", handler="odd:where", workers=1, env={"GPU": "gpu-{worker}", "PLAIN": "p"}, source=serving.items(1)
    )
    seen = serving.results("env")[0]["result"]
    assert seen["env"] == {"SPOOLD_JOB": "env", "SPOOLD_WORKER": "0", "GPU": "gpu-0", "PLAIN": "p"}
    assert seen["at_import"] == "gpu-0"


def test_the_interpreters_own_variables(serving: Daemon) -> None:
    """Variables that the interpreter reads at its start count too."""
    serving.finish("fresh", handler="odd:randomized", env={"PYTHONHASHSEED": "0"}, source=serving.items(1))
    assert serving.results("fresh")[0]["result"] == 0


def test_cwd_and_pythonpath(serving: Daemon, tmp_path: Path) -> None:
    """The handler runs in `cwd`, which is first on sys.path, before `pythonpath`."""
    serving.finish("cwd", handler="odd:where", cwd=str(tmp_path), pythonpath=[str(HANDLERS)], source=serving.items(1))
    seen = serving.results("cwd")[0]["result"]
    assert seen["cwd"] == str(tmp_path)
    assert seen["path"][:2] == [str(tmp_path), str(HANDLERS)]


def test_a_missing_cwd_fails_the_job(serving: Daemon) -> None:
    """A working folder that is not there fails the job and is named."""
    ended = serving.finish("nocwd", handler="basic:noop", cwd="/nowhere/at/all", source=serving.items(1))
    assert ended["state"] == "failed"
    assert "/nowhere/at/all" in ended["error"]


def test_a_venv(serving: Daemon, tmp_path: Path) -> None:
    """The handler finds the packages of its `venv`."""
    packages = tmp_path / "venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "fakepackage.py").write_text("ANSWER = 42\n")
    serving.finish("venv", handler="odd:packaged", venv=str(tmp_path / "venv"), source=serving.items(1))
    assert serving.results("venv")[0]["result"] == "42"


def test_preload_imports_once(serving: Daemon) -> None:
    """With `preload` the module is imported before the workers are forked, else in each."""
    serving.finish("preloaded", handler="odd:Counted", preload=True, workers=1, source=serving.items(1))
    shared = serving.results("preloaded")[0]["result"]
    assert shared["imported"] != shared["running"]
    serving.finish("not-preloaded", handler="odd:Counted", workers=1, source=serving.items(1))
    own = serving.results("not-preloaded")[0]["result"]
    assert own["imported"] == own["running"]


def test_preload_with_threads_starts_again_without(serving: Daemon, tmp_path: Path) -> None:
    """An import that starts threads is not forked from: the job runs without preload, and job.log says so."""
    (tmp_path / "threaded.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "def handle(item): return 1\n"
    )
    serving.finish("threads", handler="threaded:handle", preload=True, cwd=str(tmp_path), source=serving.items(3))
    assert len(serving.results("threads")) == 3
    assert "without preload" in serving.job_log("threads")


def test_what_it_prints_is_logged_with_the_item(serving: Daemon) -> None:
    """Prints, logging and raw writes of a handler stand in job.log with the item's id."""
    serving.finish("talk", handler="basic:talkative", workers=1, source=serving.items(1))
    log = serving.job_log("talk")
    for wanted in (
        "INFO    [0] printed 0",
        "WARNING [0] complained 0",
        "WARNING [0] handler: logged 0",
        "INFO    [0] raw",
    ):
        assert wanted in log


def test_strange_output_is_escaped(serving: Daemon) -> None:
    """Bytes that are no text, lines without end and terminal escapes reach job.log harmlessly."""
    serving.finish("strange", handler="odd:noisy_bytes", workers=1, source=serving.items(1))
    raw = (serving.job("strange") / "job.log").read_bytes()
    assert b"bytes" in raw
    assert b"no end" in raw
    assert b"red" in raw
    assert b"\x1b" not in raw
    assert "\u202e".encode() not in raw


def test_a_flood_of_output_is_capped(serving: Daemon) -> None:
    """One item's output is cut after 256 KiB."""
    serving.finish("flood", handler="odd:floods", workers=1, source=serving.items(1))
    log = serving.job_log("flood")
    assert "left out" in log
    assert len(log) < 1_000_000


@pytest.mark.parametrize("what", ["set", "nan", "large", "surrogate"])
def test_results_that_cannot_be_recorded(serving: Daemon, what: str) -> None:
    """What is not JSON, or larger than the limit, fails its item with `result`; the others go on."""
    ended = serving.finish(f"result-{what}", handler="odd:returns", source=whats("before", what, "after"))
    assert [row["id"] for row in serving.results(f"result-{what}")] == ["before", "after"]
    assert [(row["id"], row["error"]["type"]) for row in serving.failures(f"result-{what}")] == [(what, "result")]
    assert ended["state"] == "partial"


def test_a_generator_is_no_result(serving: Daemon) -> None:
    """A generator function's items fail, for a generator is not JSON."""
    serving.finish("generator", handler="odd:generator", source=serving.items(1))
    assert serving.failures("generator")[0]["error"]["type"] == "result"


def test_exceptions_fail_their_item_alone(serving: Daemon) -> None:
    """An exception fails its item, with type, message and the handler's own traceback; the others are ok."""
    ended = serving.finish("raises", handler="odd:raises", source=whats("fine", "value", "also"))
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 1)
    error = serving.failures("raises")[0]["error"]
    assert error["type"] == "ValueError"
    assert error["message"] == "a message\nof two lines \x1b[31m"
    assert error["traceback"].startswith("Traceback")
    assert "in raises" in error["traceback"]
    assert "worker/main.py" not in error["traceback"]
    log = serving.job_log("raises")
    assert "[value] handler: failed with ValueError: a message" in log
    assert 'raise ValueError("a message' in log


@pytest.mark.parametrize(
    ("what", "kind"), [("unprintable", "UnprintableError"), ("deep", "RecursionError"), ("group", "ExceptionGroup")]
)
def test_strange_exceptions(serving: Daemon, what: str, kind: str) -> None:
    """Exceptions that can't be shown, or nest without end, fail their item like others."""
    serving.finish(f"strange-{what}", handler="odd:raises", source=whats("fine", what))
    assert [row["error"]["type"] for row in serving.failures(f"strange-{what}")] == [kind]


@pytest.mark.parametrize(
    ("name", "handler", "told"),
    [
        ("no-module", "absent_module:f", "absent_module"),
        ("no-name", "basic:absent", "has no 'absent'"),
        ("no-callable", "odd:WORKER", "not a callable"),
        ("async-generator", "odd:yields", "async generator"),
        ("not-async", "basic:noop", "`concurrency` is for `async def` handlers"),
        ("unmakable", "odd:Unmakable", "no model here"),
        ("exits", "odd:Exits", "exit code 9"),
    ],
)
def test_a_handler_that_cannot_be_loaded_fails_the_job(serving: Daemon, name: str, handler: str, told: str) -> None:
    """The job fails with the reason, its items untouched."""
    more = {"concurrency": 2} if name == "not-async" else {}
    ended = serving.finish(name, handler=handler, source=serving.items(5), **more)
    assert ended["state"] == "failed"
    assert told in ended["error"]
    assert serving.records(name) == []


def test_loading_is_tried_three_times(serving: Daemon) -> None:
    """A handler that can't be made is tried three times."""
    serving.finish("three", handler="odd:Unmakable", workers=1, source=serving.items(5))
    assert serving.ledger("three") == ["tried"] * 3


def test_params_are_for_classes(serving: Daemon) -> None:
    """`params` for a function are a mistake that fails the job."""
    ended = serving.finish("params", handler="basic:noop", params={"a": 1}, source=serving.items(1))
    assert (ended["state"], "`params`" in ended["error"]) == ("failed", True)


def test_load_timeout(serving: Daemon) -> None:
    """A handler that takes too long to load is ended, and fails the job with the reason."""
    ended = serving.finish(
        "slow-load", handler="odd:SlowLoad", load_timeout="100ms", workers=1, source=serving.items(1)
    )
    assert ended["state"] == "failed"
    assert "load_timeout" in ended["error"]


def test_a_handler_that_changes_its_process(serving: Daemon) -> None:
    """Working folder, umask, signals and closed streams of a worker are its own affair: every item is recorded."""
    ended = serving.finish("changes", handler="odd:changes", source=serving.items(20))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 20)
