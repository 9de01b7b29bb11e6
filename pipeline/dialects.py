"""Where event ids of OpenAI's form and of Azure's meet: no job has both."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from pipeline.forms.block import Block, Lines
from pipeline.glimpses import Glance
from pipeline.shapes import object_in

_ID = b'"ftevent-'
_OPENAI_BYTES = len(_ID) + 24
_QUOTE = 34
_MOST_PLACES = 4
_FURTHEST = 1000
"""How far into a record its id is looked for [byte]."""
_AZURE = re.compile(rb'"ftevent-[0-9a-f]{32}"')
_OTHER = re.compile(rb'"ftevent-(?![0-9a-f]{32}\\?")')


class Dialects:
    """Sees all blocks of a source in order; notes where ids are of another form than before.

    Attributes:
        turns: positions of the events from which on they are.
        is_openai: whether no record of the block seen last has an id of Azure's form.
        trusted: that is told by the ends of the block alone.
    """

    def __init__(self, *, trusting: bool = False) -> None:
        """Nothing is seen yet; `trusting` as of `attribution.Scout`."""
        self._trusting = trusting
        self.turns: list[int] = []
        self.is_openai = self.trusted = False
        self._azure: bool | None = None

    def see(self, glance: Glance, block: Block) -> set[int]:
        """Look at the next block.

        Returns:
            A byte of the records on both sides of each turn.
        """
        text, size, at = glance.text, glance.size, 0
        beside: set[int] = set()
        if isinstance(block, Lines):  # all there is
            self.trusted = self._trusting and _ends_alike(text, size)
            self.is_openai = self.trusted or not has_azure(block)
        else:
            self.is_openai = self._azure is False and all_openai(block)
        if self.is_openai:
            return beside
        while at < size:
            if self._azure is None:
                found = text.find(_ID, at, size)
            else:
                other = (_OTHER if self._azure else _AZURE).search(text, at, size)
                found = other.start() if other else -1
            if found < 0:
                break
            index, begin, at = block.record_at(found)
            name = _name_of_event(text[begin:at])
            azure = name is not None and _AZURE.fullmatch(name) is not None
            if name is None or azure == self._azure:
                continue
            if self._azure is not None:
                self.turns.append(block.position + index)
                beside.update((begin, max(begin - 1, 0)))
            self._azure = azure
        return beside


def has_azure(block: Block) -> bool:
    """Whether something in a block looks like an id of Azure's form."""
    return _AZURE.search(block.text, 0, len(block.data)) is not None


def _ends_alike(text: bytes | bytearray, size: int) -> bool:
    """Whether the first and the last id of a block are of OpenAI's form."""
    ends = text.find(_ID, 0, _FURTHEST), text.rfind(_ID, 0, size)
    return min(ends) >= 0 and all(
        text[end + _OPENAI_BYTES : end + _OPENAI_BYTES + 1] == b'"' for end in ends
    )


def all_openai(block: Block) -> bool:
    """Whether all records hold an id of OpenAI's at one of few places, as few writers put them.

    Of most files that is told in a hundredth of the time that it takes to search them.
    """
    others = block.bounds[:-1]
    for _ in range(_MOST_PLACES):
        if not len(others):  # as of a file that grew by the end of its last line
            return True
        begin = int(others[0])
        place = block.data[begin : begin + _FURTHEST].tobytes().find(_ID)
        if place < 0 or others[-1] + place + _OPENAI_BYTES >= len(block.data):
            return False
        ids = others + place
        alike = block.data[ids + _OPENAI_BYTES] == _QUOTE
        for at in (0, 1, 3, len(_ID) - 1):
            alike &= block.data[ids + at] == _ID[at]
        others = others[~alike]
    return not len(others)


def _name_of_event(raw: bytes | bytearray) -> bytes | None:
    """The id in quotes of a record that is an event, and names no other."""
    if raw.count(_ID) != 1:  # a page on a line, most likely: too long to be parsed for this
        return None
    value = object_in(raw)
    name = value.get("id") if "message" in value else None
    return f'"{name}"'.encode("utf-8", "replace") if isinstance(name, str) else None


def parted(turns: Sequence[int], first: int, stop: int) -> list[list[tuple[int, int]]]:
    """The stretches of [first, stop) between turns: those of one form of ids, then the others."""
    inside = turns[bisect_left(turns, first + 1) : bisect_left(turns, stop)]
    borders = [first, *inside, stop]
    stretches = list(pairwise(borders))
    return [stretches[0::2], stretches[1::2]] if inside else [stretches]
