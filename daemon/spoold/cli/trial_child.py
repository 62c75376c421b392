"""The interpreter in which `spool try` runs a handler: prepared as a worker is, without a job, a journal or a daemon.

It reads the job from its standard input, and writes one JSON object for each item to the descriptor that it was given.
What the handler prints goes to standard error.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from spoold.core.spec import JobSpec, decode_spec
from spoold.engines.child import prepare_process
from spoold.errors import SpooldError
from spoold.registry import make_source
from spoold.sources.base import Fault
from spoold.sources.identify import identifier
from spoold.worker.call import Handler, load_for
from spoold.worker.context import Item
from spoold.worker.line import Line, new_line
from spoold.worker.notes import Notes
from spoold.worker.outcome import ResultError, encode_error, encode_result, plain_error
from spoold.worker.verdict import Judge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator


def main() -> int:
    """Try the items; the exit code."""
    told, count = int(sys.argv[1]), int(sys.argv[2])
    spec = _take_over(told)
    with open(told, "wb", buffering=0) as out:
        try:
            prepare_process(spec, 0)
            handler = load_for(spec)
        except Exception as error:  # noqa: BLE001 - the handler's import may raise anything; that is the answer
            own = isinstance(error, SpooldError)
            why = plain_error("", str(error)) if own else encode_error(error)
            _tell(out, load=msgspec.Raw(why))
            return 1
        try:
            for item_id, raw, fault in islice(_items(spec), count):
                if fault is None:
                    _tell(out, id=item_id, **_tried(spec, handler, item_id, raw))
                else:
                    _tell(out, id=item_id, ms=None, status="failed", error=msgspec.Raw(plain_error("malformed", fault)))
        except SpooldError as error:
            _tell(out, source=str(error))
            return 1
        _awaited(handler, handler.close())
    return 0


def _take_over(told: int) -> JobSpec:
    """Read the job; from here on standard input is empty and standard output is standard error."""
    with open(0, "rb", closefd=False) as stdin:
        spec = decode_spec(stdin.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    os.set_inheritable(told, False)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    return spec


def _items(spec: JobSpec) -> Iterator[tuple[str, bytes, str | None]]:
    """Id and JSON text of each record, and what is wrong with one that can't become an item."""
    source = make_source(spec.source, spec.cwd)
    identify = identifier(spec.id, source)
    for batch in source.batches(0):
        for index, item_id in enumerate(identify.identify(batch)):
            if isinstance(item_id, Fault):
                yield batch.place(index), batch.raws[index], item_id.reason
            else:
                yield item_id, batch.raws[index], None


def _tried(spec: JobSpec, handler: Handler, item_id: str, raw: bytes) -> dict[str, Any]:
    """What became of an item."""
    began = perf_counter()
    result: bytes | None = None
    caught: BaseException | None = None
    try:
        item = msgspec.json.decode(raw)
        arguments = [item]
        if handler.wants_context:
            notes = Notes(_forget, spec.result_limit, None)
            arguments.append(Item(item_id, 1, spec.job, 0, logging.getLogger(spec.job), _LINE, notes))
        value = handler.call(*arguments) if spec.batch == 1 else _of_one(handler, arguments)
        value = _awaited(handler, value)
        result = encode_result(value, spec.result_limit)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever an item raises is that item's alone, also SystemExit
        caught = error
    ms = round((perf_counter() - began) * 1e3, 2)
    sys.stdout.flush()
    if caught is None:
        return {"ms": ms, "result": msgspec.Raw(result or b"null")}
    verdict = Judge(spec.retry, handler.transient).judge(caught, None, None, 0.5)
    why = msgspec.Raw(encode_error(caught, kind=verdict.kind))
    return {"ms": ms, "status": verdict.status, "wait": verdict.wait, "error": why}


def _of_one(handler: Handler, arguments: list[Any]) -> Any:
    """What a handler of batches returns for a batch of one."""
    values = _awaited(handler, handler.call(*([one] for one in arguments)))
    if not isinstance(values, (list, tuple)) or len(values) != 1:
        raise ResultError(f"the handler did not return a list of one result for a batch of one, but {values!r}")
    if isinstance(values[0], BaseException):
        raise values[0]
    return values[0]


def _awaited(handler: Handler, value: Any) -> Any:
    """What a call gave, waited for if the handler is `async def`."""
    if handler.loop is None or not inspect.isawaitable(value):
        return value
    return handler.loop.run_until_complete(_wait_for(value))


async def _wait_for(value: Awaitable[Any]) -> Any:
    return await value


def _forget(_status: str, _result: bytes, _durable: bool) -> None:  # noqa: FBT001 - see worker.notes.Write
    """Nothing is recorded."""


def _tell(out: Any, **fields: Any) -> None:
    out.write(msgspec.json.encode(fields) + b"\n")


_LINE: Line = new_line()

if __name__ == "__main__":
    sys.exit(main())
