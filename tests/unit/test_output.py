"""What a handler prints and logs arrives as labelled lines."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator

import msgspec
import pytest

from spoold.worker.output import LINE_CAP, MARK, Current, LabelledStream, PipeHandler


class Pipe:
    """Both ends of a pipe, and an item."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.current = Current()
        self.current.id = "item-1"
        self.stream = LabelledStream(self.write_end, "I", self.current)

    def lines(self) -> list[bytes]:
        """Everything sent since the last time, by lines."""
        data = b""
        while True:
            try:
                data += os.read(self.read_end, 1 << 16)
            except BlockingIOError:
                break
        assert not data or data.endswith(b"\n")
        return data.split(b"\n")[:-1]

    def said(self) -> list[tuple[str, str | None, str]]:
        """Level, item and text of each line."""
        found = []
        for line in self.lines():
            label, _, text = line.partition(b"\t")
            assert label.startswith(MARK)
            found.append((chr(label[1]), msgspec.json.decode(label[2:], type=str | None), text.decode()))
        return found

    def close(self) -> None:
        """Close what is open."""
        os.close(self.read_end)
        os.close(self.write_end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe."""
    one = Pipe()
    yield one
    one.close()


def test_a_line_is_sent_when_it_is_whole(pipe: Pipe) -> None:
    """Pieces wait for their newline; several lines in one write are several."""
    print("a", "b", file=pipe.stream, end="")
    assert pipe.said() == []
    print("c\nd\ne", file=pipe.stream, end="")
    assert pipe.said() == [("I", "item-1", "a bc"), ("I", "item-1", "d")]


def test_the_end_of_an_item_ends_its_line(pipe: Pipe) -> None:
    """What an item left without a newline is not the next item's."""
    pipe.stream.write("left")
    pipe.stream.end_item()
    pipe.current.id = "item-2"
    pipe.stream.end_item()
    pipe.stream.write("own\n")
    assert pipe.said() == [("I", "item-1", "left"), ("I", "item-2", "own")]


def test_between_items_there_is_no_label(pipe: Pipe) -> None:
    """What is printed while the handler is loaded belongs to no item."""
    pipe.current.id = None
    print("loading", file=pipe.stream)
    assert pipe.said() == [("I", None, "loading")]


@pytest.mark.parametrize("item_id", ['"\n\t\x1e', "é\u202e", "\ud800", "x" * 512])
def test_no_id_breaks_a_line(pipe: Pipe, item_id: str) -> None:
    """Whatever is in an id, it stays in its label."""
    pipe.current.id = item_id
    print("text", file=pipe.stream)
    assert pipe.said() == [("I", item_id.encode(errors="backslashreplace").decode(), "text")]


def test_text_can_be_anything(pipe: Pipe) -> None:
    """Lone surrogates are escaped, tabs and control characters travel on to the log, which escapes them."""
    pipe.stream.write("\ud800\t\x1eE\r\n")
    assert pipe.said() == [("I", "item-1", "\\ud800\t\x1eE\r")]


def test_a_long_line_is_cut(pipe: Pipe) -> None:
    """And says how long it was."""
    pipe.stream.write("x" * (LINE_CAP + 5) + "\n")
    ((_, _, text),) = pipe.said()
    assert text == "x" * LINE_CAP + f"... ({LINE_CAP + 5} bytes in all)"


def test_a_line_without_end_does_not_fill_memory(pipe: Pipe) -> None:
    """What is printed without a newline is sent on when it is long."""
    for _ in range(3):
        pipe.stream.write("x" * (LINE_CAP // 2))
    assert len(pipe.said()) == 1


def test_it_is_a_text_stream(pipe: Pipe) -> None:
    """Libraries ask it what streams are asked."""
    stream = pipe.stream
    assert isinstance(stream, io.TextIOBase)
    assert (stream.encoding, stream.errors) == ("utf-8", "backslashreplace")
    assert stream.writable()
    assert not stream.isatty()
    assert stream.fileno() == pipe.write_end
    assert stream.write("abc") == 3
    stream.flush()


def test_a_reader_that_is_gone_is_no_error() -> None:
    """The handler goes on; the runner's death ends its worker anyway."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    LabelledStream(write_end, "I", Current()).write("nobody hears\n")
    os.close(write_end)


@pytest.fixture
def logger(pipe: Pipe) -> Iterator[logging.Logger]:
    """A logger whose only handler writes to the pipe."""
    one = logging.Logger("handler")  # noqa: LOG001 - one that pytest's own handlers do not hear
    handler = PipeHandler(pipe.write_end, pipe.current)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    one.addHandler(handler)
    yield one
    handler.close()


@pytest.mark.parametrize(
    ("level", "letter"),
    [(logging.INFO, "I"), (logging.WARNING, "W"), (logging.ERROR, "E"), (logging.CRITICAL, "E"), (logging.DEBUG, "I")],
)
def test_log_levels_are_kept(pipe: Pipe, logger: logging.Logger, level: int, letter: str) -> None:
    """A log line carries its level."""
    logger.log(level, "%s and %s", 1, 2)
    assert pipe.said() == [(letter, "item-1", "handler: 1 and 2")]


def test_each_line_of_a_log_entry_is_labelled(pipe: Pipe, logger: logging.Logger) -> None:
    """No line of a traceback or of a forged message stands without its item."""
    logger.info("one\ntwo\r\nthree")
    assert [text for _, _, text in pipe.said()] == ["handler: one", "two", "three"]


def test_a_wrong_log_call_is_not_the_items_failure(
    pipe: Pipe, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is complained of on stderr, as Python's own handlers do."""
    logger.info("%d items", "many")
    assert pipe.said() == []
    assert "--- Logging error ---" in capsys.readouterr().err
