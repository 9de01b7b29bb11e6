"""Zstandard: part of Python from 3.14 on, a package of its own before."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd
