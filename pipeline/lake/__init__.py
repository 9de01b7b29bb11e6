"""The lake: ledger, segments, and what changes them."""
