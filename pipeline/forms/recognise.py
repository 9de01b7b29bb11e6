"""Which form some content has, told by the content alone."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from pipeline import exact
from pipeline.contract import EVENT_OBJECTS
from pipeline.forms.lines import MARK
from pipeline.forms.refusals import (
    Empty,
    Unrecognised,
    refuse_controls,
    refuse_magic,
    refuse_notebook,
    refuse_text,
)
from pipeline.forms.results import is_results
from pipeline.shapes import holds_events, is_cut, is_event, loads, scan

_LINES_LOOKED_AT = 100
_SPACE = " \t\r\n"
_NAME = r'\s*"[^"\\]*"\s*:\s*'
_QUOTED = re.compile(r'"(?:\s|\\[nrt])*[\[{](?:\s|\\[nrt])*(?:\\"|[\[{])')
_PAGE = re.compile(
    r'(?:\{\s*(?:"object"\s*:\s*"list"\s*,\s*|"has_more"\s*:\s*(?:true|false)\s*,\s*)*'
    r'"data"\s*:\s*)?\[\s*(?=\{)'
)
_OPENING = re.compile(r"^[\[{]", re.MULTILINE)
_LIST_FIRST = re.compile(rf'\{{(?:{_NAME}(?:"[^"\\]*"|[^\s"{{\[,]+)\s*,)*{_NAME}\[')
_NAMED = re.compile("|".join(map(re.escape, EVENT_OBJECTS)))


def recognise(head: bytes, whole: bool) -> str:
    """Tell the form of some content.

    Args:
        head: the first bytes, decompressed; 1 MiB is plenty.
        whole: they are all there is.

    Returns:
        ``lines`` (one record a line), ``documents`` (JSON documents one after another) or
        ``results`` (a result file: CSV, plain or as base64 text).

    Raises:
        Unrecognised: it is neither; the text says in words what it is, and what to do.
    """
    refuse_magic(head)
    line, ended, rest = head.partition(b"\n")
    if whole and not rest and _is_page(line.decode("latin-1")):
        return "documents"  # the usual page, told by its first event
    first = _value(line.decode("latin-1")) if line[:1] == b"{" and (ended or whole) else None
    if isinstance(first, dict) and isinstance(first.get("object"), str) and is_event(first):
        return "lines"  # the usual case, told without looking further
    # Structure is ASCII: a byte a character keeps invalid UTF-8 for the verdict on its record.
    text = head.removeprefix(MARK).decode("latin-1").lstrip(_SPACE)
    if not text:
        if whole:
            raise Empty("empty" if not head else "nothing but white space")
        return "lines"
    refuse_notebook(text)
    lines = text.split("\n", _LINES_LOOKED_AT)
    bracketed = text[0] in "{["
    container = _container(lines[0], first) if bracketed else None
    if container is None and not any(_is_object(line) for line in lines):
        refuse_controls(head, bracketed=bracketed)  # a log that lost blocks has objects
    complete = lines if whole and len(lines) <= _LINES_LOOKED_AT else lines[:-1]
    if container is not None:
        inside = container or text[0] == "[" or _pages(text, lines, whole) or _is_wrapped(text)
        return "documents" if inside or (not whole and _is_log(text, first)) else "lines"
    if bracketed:
        return _bracketed(text, complete, whole)
    if _string_of_events(text, whole):
        return "documents"
    if _pages(text, complete, whole) or _is_wrapped(text):
        return "documents"  # behind headers of a response, a prompt, a progress bar
    if any(_is_object(line) for line in complete[1:]):
        return "lines"
    if is_results(head):
        return "results"
    refuse_text(text, bracketed=False)
    if any(_is_object(line) for line in text.split("\n")[_LINES_LOOKED_AT:]):
        return "lines"  # behind the rest of something else
    start = text if whole else lines[0]
    if _value(start) is None and start.strip(_SPACE) != "null":
        raise Unrecognised(f"a text {'without' if whole else 'that begins without'} JSON")
    raise Unrecognised("a JSON value without events")


def _bracketed(text: str, complete: list[str], whole: bool) -> str:
    """The form of a text that begins with a bracket, though its first line is no JSON value."""
    if not complete and not whole:
        return "documents" if text[0] == "[" or _LIST_FIRST.match(text) else "lines"
    if _begins_document(text, whole) or _pages(text, complete, whole) or _is_wrapped(text):
        return "documents"
    if sum(_is_object(line) for line in complete[1:]) > _followed(complete):
        return "lines"
    refuse_text(text, bracketed=True)
    return "documents"


def _is_page(line: str) -> bool:
    """Whether a line begins as a list page or an array of what calls itself an event."""
    page = _PAGE.match(line)
    try:
        value, _ = scan(line, page.end()) if page else (None, 0)
    except (StopIteration, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("object") in EVENT_OBJECTS


def _value(line: str) -> Any | None:
    """The JSON value on a line; None where there is none."""
    try:
        return loads(line)
    except (ValueError, RecursionError):
        return None


def _begins_document(text: str, whole: bool) -> bool:
    """Whether the text begins with a JSON value of several lines, cut off perhaps."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return is_cut(text, error.msg, error.pos)
    except (ValueError, RecursionError):
        return True
    return "\n" in text[:end] or not whole


def _is_wrapped(text: str) -> bool:
    """Whether the first event on a line lies inside of something else, as in a log's entries.

    Such lines are a run of events only where they are read as documents.
    """
    at = 0
    for _ in range(_LINES_LOOKED_AT):
        named = _NAMED.search(text, at) if at >= 0 else None
        if named is None:
            break
        at = text.find("\n", named.end())
        line = text[text.rfind("\n", 0, named.start()) + 1 : at if at >= 0 else None]
        if (container := _container(line)) is not None:
            return container
    return False


def _is_log(text: str, first: Any) -> bool:
    """Whether nothing is an event so far, nor known: entries, as will be those around events."""
    strange = isinstance(first, dict) and isinstance(exact.judge(first, text), exact.Reject)
    return strange and not _NAMED.search(text)


def _pages(text: str, lines: list[str], whole: bool) -> bool:
    """Whether JSON values of several lines hold events, and hardly one lies on a line of its own.

    Lines go on being lines when a page is appended: what they say of jobs is for lines.
    """
    events = sum(isinstance(value := _value(line), dict) and is_event(value) for line in lines)
    return events <= _followed(lines) and _begins_later(text, whole)


def _followed(lines: list[str]) -> int:
    """How many lines are an object and a comma, as an array has them."""
    ends = (line.rstrip(_SPACE) for line in lines)
    return sum(_is_object(line[:-1]) for line in ends if line.endswith(","))


def _begins_later(text: str, whole: bool) -> bool:
    """Whether a later line begins a JSON value with events inside that is no line by itself."""
    for match in islice(_OPENING.finditer(text), _LINES_LOOKED_AT):
        start = match.start()
        try:
            value, end = scan(text, start)
        except json.JSONDecodeError as error:
            told = any(text.find(name, start) >= 0 for name in EVENT_OBJECTS)
            cut = not whole and is_cut(text, error.msg, error.pos)
            if told and cut and text.find("\n", start) >= 0:  # else it is a line
                return True
        except (StopIteration, ValueError, RecursionError):
            continue
        else:
            behind = text[end : text.find("\n", end) + 1 or None].strip(_SPACE + ",")
            if (behind or text.find("\n", start, end) >= 0) and holds_events(value):
                return True
    return False


def _container(line: str, value: Any | None = None) -> bool | None:
    """Whether a line holds events inside; None where it is no JSON object or array.

    Args:
        line: the text.
        value: what it says, where that is known.
    """
    line = line.strip(_SPACE)
    value = _value(line) if value is None else value
    if isinstance(value, dict) and is_event(value):
        return False
    if not isinstance(value, dict | list):
        return None
    return isinstance(exact.judge(value, line), exact.Container)


def _string_of_events(text: str, whole: bool) -> bool:
    """Whether a text begins with JSON that was written into a string once more."""
    lines = text.split("\n", _LINES_LOOKED_AT)
    if len(lines) == 1 and not whole:
        return bool(_QUOTED.match(text))
    for line in filter(str.strip, lines):
        value = _value(line)
        if not isinstance(value, str) or holds_events(value):
            return isinstance(value, str)
    return False


def _is_object(line: str) -> bool:
    line = line.strip(_SPACE)
    return line[:1] == "{" and _container(line) is not None
