"""A lake made by an older version, brought up to date when it is opened.

Version 2: a table of companions, and their number in each source.
Version 3: whether messages of a segment tell steps, and when what a commit read ends.
Version 4: which later commit passed over a source.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.contract import LAKE_VERSION
from pipeline.errors import LakeError

if TYPE_CHECKING:
    from pipeline.lake.store import Store


def upgrade(store: Store) -> None:
    """Bring a lake up to date, if it is not; all in one commit, or nothing.

    Raises:
        LakeError: it is older and cannot be written.
    """
    from pyarrow import ArrowInvalid

    from pipeline.lake.commit import Commit
    from pipeline.lake.segments import last_event_at

    if store.ledger.lake_version() == LAKE_VERSION:
        return
    if not store.writable:
        raise LakeError(
            f"{store.path}: made by an older tunelog, and cannot be written: open it once where "
            "it can, or copy it"
        )
    with store.workspace() as folder, store.ledger.writing(task="upgrade"):
        if store.ledger.lake_version() != LAKE_VERSION:  # nobody was quicker
            store.make_empties(anew=True)
            store.ledger.upgrade()
            commit = Commit(store, folder, "upgrade")
            with suppress(OSError, ArrowInvalid):  # a broken segment: views ask the events then
                commit.last_event_at = last_event_at(store.live("events"))
            commit.finish(whole=True)
