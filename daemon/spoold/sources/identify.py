"""Gives each record its id, or says why the record can't become an item.

This is where found JSON is checked: every record that gets an id is UTF-8 and one JSON value. A batch is done in one
sweep; only if something in it is wrong are its records looked at one by one. Both ways give the same answers. Of an
item, only the id field is decoded: the rest is skipped over, so an escape or number that is well-formed but out of
range (1e999) is found by the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from spoold.core.identity import MAX_ID_BYTES, IdentityError, content_id, id_text
from spoold.sources.base import Batch, Fault, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_FIELD: Final = "id"
_SHORT: Final = MAX_ID_BYTES // 4  # text of so many characters needs no digest, whatever they are
_TOO_DEEP: Final = "bad JSON: nested too deeply"
_BAD: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def id_texts(values: Sequence[object]) -> list[str | Fault]:
    """The ids that values stand for, or a Fault for those that can't be one."""
    kinds = set(map(type, values))
    if kinds == {str} and max(map(len, values)) <= _SHORT and "" not in values:  # type: ignore[arg-type]
        return list(values)  # type: ignore[arg-type]
    if kinds == {int} and min(values) > -(2**63) and max(values) < 2**63:  # type: ignore[type-var,operator]
        return list(map(str, values))
    return [_id_or_fault(value) for value in values]


def _id_or_fault(value: object) -> str | Fault:
    if type(value) is Fault:
        return value
    try:
        return id_text(value)
    except IdentityError as error:
        return Fault(str(error))


def identifier(mode: str | None, source: Source) -> Identifier:
    """What gives `source`'s records their ids.

    Args:
        mode: the manifest's `id`: the name of a field, `content` or `position`; None for the source's own default.
        source: where the batches will come from.
    """
    if mode is None and source.natural_ids:
        return Identifier(_natural, unique=source.unique, check=False)
    if mode == "position":
        return Identifier(_positions if source.own_json else _sound_positions, unique=True, check=not source.own_json)
    if mode == "content":
        return Identifier(_contents, unique=False, check=not source.own_json)
    return Identifier(_field(mode or DEFAULT_FIELD), unique=False, check=not source.own_json)


class Identifier:
    """Gives the records of a source their ids.

    Attributes:
        unique: two records never get the same id, so no duplicates need be looked for.
    """

    def __init__(self, read: Callable[[Batch], list[str | Fault]], *, unique: bool, check: bool) -> None:
        self.unique = unique
        self._read = read
        self._check = check

    def identify(self, batch: Batch) -> list[str | Fault]:
        """The id of each record, or a Fault that says what is wrong with it."""
        if self._check and batch.faults:
            return [self._identify_one(batch, index) for index in range(len(batch.raws))]
        try:
            if self._check:
                _require_utf8(b"\n".join(batch.raws))
            ids = self._read(batch)
        except _BAD:
            return [self._identify_one(batch, index) for index in range(len(batch.raws))]
        if batch.faults:
            ids = list(ids)
            for index, reason in batch.faults.items():
                ids[index] = Fault(reason)
        return ids

    def _identify_one(self, batch: Batch, index: int) -> str | Fault:
        if index in batch.faults:
            return Fault(batch.faults[index])
        try:
            _require_utf8(batch.raws[index])
            return self._read(batch.part(index, index + 1))[0]
        except UnicodeDecodeError as error:
            return Fault(f"not UTF-8: byte {error.start} of the record is 0x{error.object[error.start]:02x}")
        except RecursionError:
            return Fault(_TOO_DEEP)
        except msgspec.ValidationError as error:
            return Fault(str(error))
        except msgspec.MsgspecError as error:
            return Fault(f"bad JSON: {error}")


def _require_utf8(data: bytes) -> None:
    """Raises UnicodeDecodeError; msgspec does not look into the text it skips."""
    if not data.isascii():
        data.decode()


_decode: Final = msgspec.json.Decoder().decode
_skim: Final = msgspec.json.Decoder(msgspec.Raw).decode


def _natural(batch: Batch) -> list[str | Fault]:
    assert batch.ids is not None, "a source with natural ids gives them"
    return batch.ids


def _positions(batch: Batch) -> list[str | Fault]:
    return list(map(str, range(batch.n, batch.n + len(batch.raws))))


def _sound_positions(batch: Batch) -> list[str | Fault]:
    for raw in batch.raws:
        _skim(raw)
    return _positions(batch)


def _contents(batch: Batch) -> list[str | Fault]:
    return [content_id(_decode(raw)) for raw in batch.raws]


def _field(name: str) -> Callable[[Batch], list[str | Fault]]:
    """A reader of one field of each record.

    It decodes through a Struct of that one field, since skipping the others is nearly free; but a Struct can't have a
    name that JSON would escape.
    """
    missing = Fault(f"no field {name!r}: name an existing one by `id`, or set `id: content`")
    try:
        key = msgspec.defstruct("Key", [("id", Any, missing)], rename={"id": name}, gc=False)
    except ValueError:
        decode_object = msgspec.json.Decoder(dict[str, Any]).decode
        return lambda batch: id_texts([decode_object(raw).get(name, missing) for raw in batch.raws])
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(key).decode
    return lambda batch: id_texts([decode(raw).id for raw in batch.raws])
