"""Finding the handler a manifest names, and calling it the way it wants."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spoold.core.spec import JobSpec
from spoold.errors import HandlerError
from spoold.worker.command import Command
from spoold.worker.context import Item

if TYPE_CHECKING:
    import asyncio

Call = Callable[..., Any]
Kinds = tuple[type[BaseException], ...]


class Handler:
    """A handler ready to be called.

    Attributes:
        call: what to call with the item, and with the context if `wants_context`.
        wants_context: whether it has a place for one.
        transient: the classes of exceptions after which an item is tried again, where the manifest names their module.
        loop: the event loop of an `async def` handler; None for others.
    """

    def __init__(
        self,
        call: Call,
        *,
        wants_context: bool,
        transient: Kinds = (),
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.call = call
        self.wants_context = wants_context
        self.transient = transient
        self.loop = loop

    def close(self) -> Any:
        """Let a class end what it began; of an `async def` handler this may have to be awaited."""
        closer = getattr(self.call, "close", None)
        return closer() if callable(closer) else None


def find(name: str) -> Any:
    """The callable that `module:attribute` names.

    Raises:
        HandlerError: there is no such module or attribute, or it can't be called.
    """
    target = _attribute(name, f"handler {name}", "module:callable")
    if not callable(target):
        path = name.partition(":")[2]
        raise HandlerError(f"{path!r} is a {type(target).__name__}, not a callable", where=f"handler {name}")
    return target


def _attribute(name: str, where: str, form: str) -> Any:
    module_name, _, path = name.partition(":")
    target: Any = importlib.import_module(module_name)
    for part in path.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise HandlerError(
                f"module {module_name!r} has no {path!r}", where=where, remedy=f"name it as {form}"
            ) from None
    return target


def load_for(spec: JobSpec) -> Handler:
    """What a job's items are given to.

    Raises:
        HandlerError: it can't be used.
        Exception: whatever its module or constructor raises.
    """
    if spec.command is not None:
        command = Command(spec.command, spec.result_limit, timed=spec.timeout is not None)
        return Handler(command, wants_context=command.wants_context, transient=command.transient)
    assert spec.handler is not None
    handler = load(spec.handler, spec.params, spec.retry.on)
    if spec.concurrency > 1 and handler.loop is None:
        raise HandlerError(
            "`concurrency` is for `async def` handlers, this one is called synchronously",
            where=f"handler {spec.handler}",
            remedy="make it `async def`, or ask for more `workers`",
        )
    return handler


def load(name: str, params: dict[str, Any], on: Sequence[str] = ()) -> Handler:
    """Import the handler and, if it is a class, construct it.

    Args:
        name: `module:attribute`.
        params: for its constructor.
        on: names of exceptions; those with a module are imported too.

    Raises:
        HandlerError: it can't be used as a handler.
        Exception: whatever the module or the constructor raises.
    """
    target = find(name)
    _refuse_generators(target, name)
    loop = _new_loop() if _is_async(target) else None
    if isinstance(target, type):
        target = target(**params) if loop is None else loop.run_until_complete(_made(target, params))
        if not callable(target):
            raise HandlerError(
                "its instances can't be called", where=f"handler {name}", remedy="give the class a __call__"
            )
    elif params:
        raise HandlerError("`params` are for a handler class, this is a function", where=f"handler {name}")
    return Handler(target, wants_context=_wants_context(target), transient=_exceptions(on), loop=loop)


def _refuse_generators(target: Any, name: str) -> None:
    if any(inspect.isasyncgenfunction(called) for called in _called(target)):
        raise HandlerError(
            "it is an async generator, which runs nothing when it is called",
            where=f"handler {name}",
            remedy="return the result instead of yielding it",
        )


def _is_async(target: Any) -> bool:
    return any(inspect.iscoroutinefunction(called) for called in _called(target))


def _new_loop() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 - only those handlers pay for it

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


async def _made(kind: type, params: dict[str, Any]) -> Any:
    """An instance, made where the loop runs: clients of async libraries ask for that."""
    return kind(**params)


def _exceptions(names: Sequence[str]) -> Kinds:
    """The classes among `names` that are named with their module."""
    found = []
    for name in (name for name in names if ":" in name):
        kind = _attribute(name, f"retry.on {name}", "module:Class")
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise HandlerError("it is no exception class", where=f"retry.on {name}")
        found.append(kind)
    return tuple(found)


def _called(target: Any) -> tuple[Any, Any]:
    """What runs when `target` is called: it, if it is a function or wraps one, or its class's `__call__`.

    Of a class, what runs when its instances are called.
    """
    return target, (target if isinstance(target, type) else type(target)).__call__


def _wants_context(call: Call) -> bool:
    """Whether a second positional argument is required, or is plainly meant for the context."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # built-in callables may have no signature
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2:
        return False
    second = positional[1]
    return second.default is second.empty or second.name == "ctx" or second.annotation in (Item, "Item", "spoold.Item")
