"""JSON documents to blocks of records: pages, arrays, recorded exchanges, bare events."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.forms.block import Block
from pipeline.forms.lines import BLOCK_BYTES, Readable
from pipeline.forms.walker import Walker, walker
from pipeline.forms.window import Window


def document_blocks(
    stream: Readable, max_record_bytes: int, *, offset: int = 0, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Cut a stream of JSON documents into records, block by block.

    Records are the events and the objects beside them; of a document without events, the whole;
    of one that breaks off, the events before the break, and as one record what stands from there to
    the next line that begins with a bracket. One array, page or recorded body is one stream; bare
    events are a run. A comma between documents is passed over.

    Memory stays near `max_record_bytes`, however long the documents are. Where that is less than
    the source, what names a job after its events may come too late.

    Args:
        stream: read from where it stands.
        max_record_bytes: longer records become `Oversize` [byte].
        offset: what the stream's first byte counts as [byte].
        block_bytes: about how large blocks become [byte].
    """
    window = Window(stream, max_record_bytes, offset, block_bytes)
    return Walker(window, max_record_bytes, block_bytes).source()


def expanded(raw: bytes, offset: int) -> Block:
    """The records inside one record that holds events: a page on a line, say.

    Returns:
        A block whose positions count from 0.
    """
    (inner,) = walker(raw, offset).source()
    return inner
