"""Finding the handler a manifest names, and calling it the way it wants."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from spoold.errors import HandlerError
from spoold.worker.context import Item

Call = Callable[..., Any]


class Handler:
    """A handler ready to be called.

    Attributes:
        call: what to call with the item, and with the context if `wants_context`.
        wants_context: whether it has a place for one.
    """

    def __init__(self, call: Call, *, wants_context: bool) -> None:
        self.call = call
        self.wants_context = wants_context

    def close(self) -> None:
        """Let a class end what it began."""
        closer = getattr(self.call, "close", None)
        if callable(closer):
            closer()


def find(name: str) -> Any:
    """The object that `module:attribute` names.

    Raises:
        HandlerError: there is no such module or attribute, or it can't be called.
    """
    module_name, _, path = name.partition(":")
    target: Any = importlib.import_module(module_name)
    for part in path.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise HandlerError(
                f"module {module_name!r} has no {path!r}", where=f"handler {name}", remedy="name it as module:callable"
            ) from None
    if not callable(target):
        raise HandlerError(f"{path!r} is a {type(target).__name__}, not a callable", where=f"handler {name}")
    return target


def load(name: str, params: dict[str, Any]) -> Handler:
    """Import the handler and, if it is a class, construct it.

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
    return Handler(target, wants_context=_wants_context(target))


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
