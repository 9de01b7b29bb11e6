"""CSV that is safe to open in a spreadsheet: no text of an event is taken for a formula.

Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection: a cell that
begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break gets an apostrophe before it, is put
in quotes, and its quotes are doubled. Spreadsheets of some countries take ``;`` or a tab for the
end of a cell, in quotes or not: what follows one counts as the beginning of a cell, too, also
behind a quote.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.types as pt

from pipeline.cli.cells import exact, is_numeric

_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # the last four as wide as ideographs
_HIDDEN = '"\x00-\x08\x0b\x0c\x0e-\x20\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff'
_BEGINNING = re.compile(
    rf"^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=[{_HIDDEN}]*[{_FORMULA}])",
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|-?Infinity")


def safe_cells(array: pa.Array) -> list[str | None]:
    """Each value as a cell of CSV, ready to be joined by commas; NULL is None.

    Numbers, times and booleans are `exact`; all other text is defused and in quotes.
    """
    kind = array.type.value_type if pt.is_dictionary(array.type) else array.type
    texts = exact(array)
    if is_numeric(kind) or pt.is_boolean(kind) or pt.is_temporal(kind):
        return texts
    return [None if text is None else safe_cell(text) for text in texts]


def safe_cell(text: str) -> str:
    """A text in quotes, in which no spreadsheet finds a formula."""
    return '"' + defused(text).replace('"', '""') + '"'


def defused(text: str) -> str:
    """A text with an apostrophe wherever a spreadsheet could see a formula begin."""
    return text if _NUMBER.fullmatch(text) else _BEGINNING.sub("'", text)
