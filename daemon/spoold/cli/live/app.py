"""The live view with keys, by Textual: it keeps the terminal, this draws lines and gives commands."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Footer, Static

from spoold.cli.live import command
from spoold.cli.live.draw import Screen, draw
from spoold.cli.live.view import Scene, View
from spoold.core.text import printable
from spoold.errors import SpooldError

if TYPE_CHECKING:
    from textual import events

    from spoold.spool import Spool

_HELP: Final = """\
up down j k  choose a job       home end  the first, the last
p  pause: items in flight end   r  resume; of an ended job: run the rest
c  cancel, after a question     f  run what failed again
q  leave; the jobs go on        ?  this help

Rates and times left are of the present run: what was done before does
not count. A ~ is an estimate: the source was not read to its end yet.

CPU is of one processor, MEMORY against the bound past which a worker is
ended, FOR how long it has been at its ITEM. Failures are the newest ones
by kind; all of them: spool failures JOB; an item: spool explain JOB ID."""


class Panel(Widget):
    """The lines; of those only such are drawn again as have changed."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = root
        self._view: View | None = None
        self._strips: list[Strip] = []
        self._lines: list[Text] = []
        self.screen_now = Screen([])

    def show(self, view: View) -> None:
        """Show this."""
        self._view = view
        self._draw()

    def on_resize(self) -> None:
        """The terminal has another size."""
        self._lines = []
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if self._view is None or not width or not height:
            return
        self.screen_now = draw(self._view, width, height)
        before, self._lines = self._lines, self.screen_now.lines
        strips = [
            self._strips[y] if y < len(before) and _same(before[y], line) else _strip(line, self)
            for y, line in enumerate(self._lines)
        ]
        old, self._strips = self._strips, strips
        if not before:
            self.refresh()
            return
        for y in range(max(len(old), len(strips))):
            if y >= len(old) or y >= len(strips) or old[y] is not strips[y]:
                self.refresh(Region(0, y, width, 1))

    def render_line(self, y: int) -> Strip:
        """A line of the terminal."""
        width = self.size.width
        strip = self._strips[y] if y < len(self._strips) else Strip.blank(width)
        return strip.adjust_cell_length(width)


def _same(one: Text, other: Text) -> bool:
    return one.plain == other.plain and one.spans == other.spans and one.style == other.style


def _strip(line: Text, widget: Widget) -> Strip:
    return Strip(Segment(text, style) for text, style, _ in line.render(widget.app.console))


class Ask(ModalScreen[bool]):
    """A question, or something to read: any key but y means no."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "dismiss(True)", "yes")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """The text in a frame."""
        yield Vertical(Static(Text(self._text), id="text"))

    def on_key(self, event: events.Key) -> None:
        """Any other key closes it."""
        if event.key != "y":
            event.stop()
            self.dismiss(result=False)


class Top(App[int]):
    """The app; it ends with the exit code."""

    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    Panel { height: 1fr; background: ansi_default; color: ansi_default; }
    #note { height: 1; background: ansi_default; color: ansi_default; text-style: bold; }
    Footer { background: ansi_default; color: ansi_default; }
    Ask { align: center middle; background: transparent; }
    Ask Vertical { width: auto; height: auto; max-width: 100%; border: round ansi_default; padding: 0 1;
                   background: ansi_default; color: ansi_default; }
    Ask Static { width: auto; height: auto; max-width: 100%; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "choose", key_display="↑↓", show=True),
        Binding("down,j", "choose(1)", "choose", show=False),
        Binding("home", "choose(-1000000)", "first", show=False),
        Binding("end", "choose(1000000)", "last", show=False),
        Binding("p", "give('pause')", "pause"),
        Binding("r", "give('resume')", "resume"),
        Binding("c", "give('cancel')", "cancel"),
        Binding("f", "give('retry')", "retry failures"),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q,ctrl+c,ctrl+q", "leave", "quit", key_display="q"),
    ]

    def __init__(self, spool: Spool, every: float) -> None:
        """Make it.

        Args:
            spool: whose jobs are shown.
            every: seconds between two looks.
        """
        super().__init__(ansi_color=True)
        self._spool = spool
        self._every = every
        self._scene = Scene(spool)
        self._chosen: str | None = None
        self._looking = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """The lines, what came of the last command, and the keys."""
        yield Panel(self._spool.root)
        yield Static(id="note")
        yield Footer(show_command_palette=False)

    async def on_mount(self) -> None:
        """Begin to look; a signal to end is obeyed as a key is."""
        self.theme = "ansi-dark"
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(RuntimeError, ValueError, NotImplementedError):  # not the main thread: a test's
                loop.add_signal_handler(number, self.action_leave)
        self.set_interval(self._every, self.look)
        self.call_later(self.look)

    async def look(self) -> None:
        """Show how it is now."""
        async with self._looking:
            try:
                view = await asyncio.to_thread(self._scene.look, self._chosen)
            except SpooldError as error:
                self.exit(74, message=f"spool: {error}")
                return
        self._chosen = self._chosen or view.chosen
        for panel in self.query(Panel):
            panel.show(view)

    async def action_choose(self, step: int) -> None:
        """Choose another job."""
        view = self._scene.view
        if view.rows:
            place = min(max(0, view.place + step), len(view.rows) - 1)
            await self._choose(view.rows[place]["job"])

    async def _choose(self, job: str) -> None:
        self._chosen = job
        await self.look()

    async def on_click(self, event: events.Click) -> None:
        """Choose the job that was clicked on."""
        if isinstance(event.widget, Panel):
            drawn = event.widget.screen_now
            place = drawn.first + event.y - drawn.top
            rows = self._scene.view.rows
            if drawn.top <= event.y < drawn.top + drawn.shown and place < len(rows):
                await self._choose(rows[place]["job"])

    def action_give(self, name: str) -> None:
        """Give a command for the chosen job, after a question where one is due."""
        row = self._scene.view.row
        if row is None:
            return
        job, asked = row["job"], command.question(name, row)
        if asked is None:
            self._give(name, job)
        else:
            self.push_screen(Ask(f"{printable(asked)}  y/n"), lambda yes: self._give(name, job) if yes else None)

    def _give(self, name: str, job: str) -> None:
        async def run() -> None:
            said = await asyncio.to_thread(command.give, self._spool, name, job)
            self.note(said)
            await self.look()

        self.note(f"{name} {job} …")
        self.run_worker(run(), exit_on_error=True)

    def note(self, text: str) -> None:
        """Say what became of a command, until something else is to be said."""
        for line in self.query("#note").results(Static):
            line.update(Text(printable(text, 1000)))

    def action_help(self) -> None:
        """Show what the keys do."""
        self.push_screen(Ask(_HELP))

    def action_leave(self) -> None:
        """Leave; the jobs go on."""
        self.exit(0)

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._scene.close()
