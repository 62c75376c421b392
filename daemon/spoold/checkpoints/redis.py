"""Sets in Redis, batch:NAME:done and batch:NAME:failed, and claims, so that several daemons share one job.

**Claims.** Each daemon has a token for its job, kept over restarts (a spool's job never has two runners at once), and a
lease that it renews three times within its length. What `look` finds open is claimed for the token; a claim counts
while its token's lease is there. So a dead host's claims are free when its lease expires, and a host that was killed
and started again still holds its own. A final record releases the claim.

**Fence.** What a host tells of an item that another holds by now is not recorded, only logged: the outcome of whoever
took it over counts. (What the first host's handler did cannot be undone.)

**A Redis that lost its memory.** Another process of Redis than before, or one without our keys, may have forgotten
claims and outcomes. Each host that notices first claims again what it has in flight, then tells its whole journal
again; until that is over, and one lease longer, nobody claims anything new. So every restart of Redis costs a lease.

**Failed** items, and those in doubt, are not run by others in the same run. Where a job is dropped again, what had
failed before that runs again; times are by Redis' clock. What is in doubt stays claimed by its host, which may be told
to run it again.
"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final, Self

import msgspec

from spoold.checkpoints.base import DONE, FAILED, Checkpoint, Found, Outcome, parse_options
from spoold.checkpoints.redis_scripts import ENTER, KEYS, LOOK, PORTION, RECORD, RELEASE
from spoold.checkpoints.redis_server import Server
from spoold.errors import CheckpointError, CheckpointLost

_SHOWN: Final = 10  # ids in a line of the log
_IN_DOUBT: Final = "in-doubt"
_CODES: Final = {**dict.fromkeys(DONE, 1), **dict.fromkeys(FAILED, 0), _IN_DOUBT: 2}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a redis checkpoint; `lease` in seconds."""

    url: str
    name: str | None = None
    lease: float = 30.0


class RedisCheckpoint(Checkpoint):
    """One host's part in a shared job."""

    shared: ClassVar[bool] = True

    def __init__(self, url: str, name: str, lease: float) -> None:
        """`lease`: seconds."""
        self.memo = {}
        self._prefix = f"batch:{name}:"
        self._lease = lease
        self._server = Server(url, max(1.0, lease / 3))
        self._scripts: dict[str, Any] = {}
        self._client: Any = None
        self._token = ""
        self._again = ""
        self._ahead = 0.0  # seconds that Redis' clock is ahead of ours
        self._claimed: set[str] = set()

    @classmethod
    def from_options(cls, options: dict[str, Any], job: str, _cwd: str, /) -> Self:
        """The store that a manifest describes.

        Raises:
            CheckpointError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options)
        return cls(given.url, given.name or job, given.lease)

    def identity(self) -> str:
        """The server and the keys."""
        return f"redis {self._server.where} {self._prefix}"

    def open(self, run: int, /) -> bool:
        """Connect and take the lease; False when Redis may have forgotten what it was told."""
        self._client = self._server.connect()
        self._scripts = {text: self._client.register_script(text) for text in (ENTER, LOOK, RECORD, RELEASE)}
        with self._server.asking():
            seconds, micros = self._client.time()
        now = seconds + micros / 1e6
        self._ahead = now - time.time()
        if self.memo.get("run") != run:
            self.memo.update(run=run, began=now)
        self._again = f"{self.memo['began']:.6f}" if run > 1 else ""
        return self._enter()

    def look(self, ids: list[str]) -> list[Found]:
        """What is neither done nor failed nor another's is claimed."""
        found: list[Found] = []
        for part in _portions(ids):
            found += [Found(code) for code in self._held(LOOK, self._again, *part)]
        self._claimed.update(id_ for id_, one in zip(ids, found, strict=True) if one is Found.OPEN)
        return found

    def record(self, outcomes: list[Outcome]) -> None:
        """Put them into the sets, unless another host holds the item."""
        told = [one for one in outcomes if one.s in _CODES]
        fenced: list[str] = []
        for part in _portions(told):
            rows = [field for one in part for field in (_CODES[one.s], one.t + self._ahead, one.id)]
            fenced += [id_.decode() for id_ in self._held(RECORD, *rows)]
        self._claimed.difference_update(one.id for one in told if one.s != _IN_DOUBT)
        _warn(fenced, "outcomes are not recorded, since another host has taken these items over")

    def release(self, ids: list[str]) -> None:
        """Free our claims of these ids."""
        for part in _portions(ids):
            self._call(RELEASE, *part)
        self._claimed.difference_update(ids)

    def renew(self) -> float | None:
        """Renew the lease, and while outcomes are told again, the time of grace."""
        with self._server.asking():
            kept = self._client.pexpire(self._key("lease"), self._milliseconds)
            if self.memo.get("recovering"):
                self._client.set(self._key("grace"), self._token, px=self._milliseconds)
        if not kept:
            self._enter_again()
        return self._lease / 3

    def level(self) -> None:
        """What Redis had forgotten was told; the grace ends by itself."""
        self.memo.pop("recovering", None)

    def close(self) -> None:
        """Free every claim, those that an earlier process left too, and give up the lease."""
        if self._client is None or not self._token:
            return
        try:
            with self._server.asking():
                claims = self._client.hscan_iter(self._key("claims"))
                ours = [id_.decode() for id_, token in claims if token.decode() == self._token]
                self.release(ours)
                self._client.delete(self._key("lease"))
        finally:
            self._server.close()

    # ------------------------------------------------------------------ entering

    def _enter(self) -> bool:
        """Take the lease and what we hold; whether Redis still knows all that it was told."""
        with self._server.asking():
            server = str(self._client.info("server").get("run_id"))
        before = self.memo.get("server")
        self._token = self._known_token()
        parts = list(_portions(list(self._claimed))) or [[]]
        answers = [self._call(ENTER, server, self._milliseconds, int(before is not None), *part) for part in parts]
        taken = [id_.decode() for *_, lost in answers for id_ in lost]
        self.lapses += int(not answers[0][1] and bool(self._claimed))
        self._claimed.difference_update(taken)
        _warn(taken, "items in flight were taken over by another host, since our lease had expired")
        whole = before == server and bool(answers[0][0])  # the first call leaves the name of the server
        if before is not None and not whole:
            self.memo["recovering"] = True
        self.memo["server"] = server
        return whole

    def _enter_again(self) -> None:
        """The lease is gone: we were stopped for too long, or Redis lost its memory.

        Raises:
            CheckpointLost: the latter.
        """
        if not self._enter():
            raise CheckpointLost("it lost what it was told", where=self._server.where)

    def _known_token(self) -> str:
        """Ours of before, or a new one; that of another host came with a copied spool."""
        host = socket.gethostname()
        if self.memo.get("host") != host or not isinstance(self.memo.get("token"), str):
            with self._server.asking():
                number = self._client.incr(self._key("fence"))
            self.memo.update(host=host, token=f"{number}:{host}:{uuid.uuid4().hex[:8]}")
        return str(self.memo["token"])

    # ------------------------------------------------------------------ calling

    @property
    def _milliseconds(self) -> int:
        return int(self._lease * 1000)

    def _key(self, name: str) -> str:
        return f"{self._prefix}lease:{self._token}" if name == "lease" else self._prefix + name

    def _call(self, script: str, *arguments: Any) -> Any:
        keys = [self._key(name) for name in KEYS]
        with self._server.asking():
            return self._scripts[script](keys=keys, args=[self._token, f"{self._prefix}lease:", *arguments])

    def _held(self, script: str, *arguments: Any) -> list[Any]:
        """Call a script that needs our lease."""
        answer = self._call(script, *arguments)
        if answer is None:
            self._enter_again()
            answer = self._call(script, *arguments)
        if answer is None:
            raise CheckpointError("its lease is gone as soon as it is taken", where=self._server.where)
        found: list[Any] = answer
        return found


def _portions(items: list[Any]) -> Iterator[list[Any]]:
    for low in range(0, len(items), PORTION):
        yield items[low : low + PORTION]


def _warn(ids: Iterable[str], what: str) -> None:
    named = list(ids)
    if named:
        more = ", …" if len(named) > _SHOWN else ""
        logging.getLogger("checkpoint").warning("%d %s: %s%s", len(named), what, ", ".join(named[:_SHOWN]), more)
