"""Finding a handler by its name, and how it wants to be called."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from spoold.errors import HandlerError
from spoold.worker.call import find, load

SOURCE = """
    import functools
    from spoold import Item

    def plain(item): return item
    def with_context(item, ctx): return ctx
    def with_default(item, ctx=None): return ctx
    def other_default(item, factor=2): return factor
    def annotated(item, about: Item = None): return about
    def annotated_by_text(item, about: "spoold.Item" = None): return about
    def anything(*args): return args
    def keyword(item, *, ctx=None): return ctx
    def three(item, ctx, more=1): return ctx
    def adds(amount, item): return amount + item["n"]
    async def coroutine(item): return item
    async def generator(item): yield item
    partial = functools.partial(adds, 5)
    wrapped_coroutine = functools.partial(coroutine)
    sized = len
    number = 7

    class Embedder:
        def __init__(self, model="small"):
            self.model, self.closed = model, False
        def __call__(self, item): return self.model
        def close(self): self.closed = True
        class Inner:
            def __call__(self, item, ctx): return ctx

    class Silent:
        pass

    class Asynchronous:
        async def __call__(self, item): return item

    class Picky:
        def __init__(self, model): raise OSError("no such model")
        def __call__(self, item): return item

    ready = Embedder()
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module of handlers on the path."""
    (tmp_path / "many_handlers.py").write_text(dedent(SOURCE))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("many_handlers", None)


@pytest.mark.parametrize(
    ("name", "wants"),
    [
        ("plain", False),
        ("with_context", True),
        ("with_default", True),
        ("other_default", False),
        ("annotated", True),
        ("annotated_by_text", True),
        ("anything", False),
        ("keyword", False),
        ("three", True),
        ("partial", False),
        ("sized", False),
        ("Embedder", False),
        ("Embedder.Inner", True),
        ("ready", False),
    ],
)
def test_who_gets_a_context(name: str, *, wants: bool) -> None:
    """A second positional place that must be filled, or is plainly meant for the context."""
    assert load(f"many_handlers:{name}", {}).wants_context is wants


@pytest.mark.parametrize(("name", "value"), [("plain", {"n": 1}), ("partial", 6), ("ready", "small"), ("sized", 1)])
def test_it_can_be_called(name: str, value: object) -> None:
    """Functions, partials, instances and built-ins are called with the item."""
    assert load(f"many_handlers:{name}", {}).call({"n": 1}) == value


def test_a_class_gets_params_and_is_closed() -> None:
    """It is constructed once, with the manifest's params; its close() is called at the end."""
    handler = load("many_handlers:Embedder", {"model": "large"})
    assert handler.call({}) == "large"
    handler.close()
    assert handler.call.closed  # type: ignore[attr-defined]


def test_a_function_has_nothing_to_close() -> None:
    """Closing is for classes."""
    load("many_handlers:plain", {}).close()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("many_handlers:missing", "module 'many_handlers' has no 'missing'; name it as module:callable"),
        ("many_handlers:Embedder.nothing", "has no 'Embedder.nothing'"),
        ("many_handlers", "has no ''"),
        ("many_handlers:number", "'number' is a int, not a callable"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(name: str, what: str) -> None:
    """The error names handler, module and attribute."""
    with pytest.raises(HandlerError) as caught:
        find(name)
    assert str(caught.value).startswith(f"handler {name}: ")
    assert what in str(caught.value)


@pytest.mark.parametrize("name", ["coroutine", "wrapped_coroutine", "Asynchronous"])
def test_an_async_handler_has_a_loop(name: str) -> None:
    """What it returns is awaited in the event loop that comes with it."""
    handler = load(f"many_handlers:{name}", {})
    assert handler.loop is not None
    assert handler.loop.run_until_complete(handler.call(7)) == 7
    handler.loop.close()


def test_an_async_generator_is_refused() -> None:
    """Called, it would do nothing; that is said before the first item."""
    with pytest.raises(HandlerError, match="async generator"):
        load("many_handlers:generator", {})


def test_params_are_for_classes() -> None:
    """A function could not get them, so they are not silently dropped."""
    with pytest.raises(HandlerError, match="this is a function"):
        load("many_handlers:plain", {"model": "x"})


def test_an_instance_must_be_callable() -> None:
    """A class without __call__ is refused."""
    with pytest.raises(HandlerError, match="give the class a __call__"):
        load("many_handlers:Silent", {})


@pytest.mark.parametrize(
    ("name", "params", "error"),
    [
        ("no_such_module:f", {}, ModuleNotFoundError),
        ("many_handlers:Picky", {"model": "x"}, OSError),
        ("many_handlers:Embedder", {"modle": "x"}, TypeError),
    ],
)
def test_errors_of_the_handler_are_its_own(name: str, params: dict[str, str], error: type[Exception]) -> None:
    """What the import or the constructor raises comes through."""
    with pytest.raises(error):
        load(name, params)


def test_wrapped_functions_keep_their_signature() -> None:
    """A decorator that uses functools.wraps does not hide the context."""
    module = sys.modules.setdefault("many_handlers", __import__("many_handlers"))

    @functools.wraps(module.with_context)
    def wrapper(*args: object) -> object:
        return module.with_context(*args)

    module.wrapped = wrapper  # type: ignore[attr-defined]
    assert load("many_handlers:wrapped", {}).wants_context
