"""Finding the handler a manifest names, and calling it the way it wants."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from spoold.errors import HandlerError
from spoold.worker.context import Item

Call = Callable[..., Any]
Kinds = tuple[type[BaseException], ...]


class Handler:
    """A handler ready to be called.

    Attributes:
        call: what to call with the item, and with the context if `wants_context`.
        wants_context: whether it has a place for one.
        transient: the classes of exceptions after which an item is tried again, where the manifest names their module.
    """

    def __init__(self, call: Call, *, wants_context: bool, transient: Kinds = ()) -> None:
        self.call = call
        self.wants_context = wants_context
        self.transient = transient

    def close(self) -> None:
        """Let a class end what it began."""
        closer = getattr(self.call, "close", None)
        if callable(closer):
            closer()


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
    if isinstance(target, type):
        target = target(**params)
        if not callable(target):
            raise HandlerError(
                "its instances can't be called", where=f"handler {name}", remedy="give the class a __call__"
            )
    elif params:
        raise HandlerError("`params` are for a handler class, this is a function", where=f"handler {name}")
    if any(inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called) for called in _called(target)):
        raise HandlerError(
            "it is async, and handlers are called synchronously",
            where=f"handler {name}",
            remedy="make it a plain function",
        )
    return Handler(target, wants_context=_wants_context(target), transient=_exceptions(on))


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
    """What runs when `target` is called: it, if it is a function or wraps one, or its class's `__call__`."""
    return target, type(target).__call__


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
