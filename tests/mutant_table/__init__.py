"""The faults that `tests.mutants` plants: at least one for each law and each reject reason."""

from __future__ import annotations

from tests.mutant_table import archive, attribution, commands, lake, laws, records, views
from tests.mutant_table.mutant import Mutant

__all__ = ["MUTANTS", "Mutant"]

PARTS = (views, attribution, laws, records, lake, archive, commands)
MUTANTS = tuple(mutant for part in PARTS for mutant in part.MUTANTS)
