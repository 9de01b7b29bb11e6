"""Reports: one self-contained page that explains every job of a lake, and its short form."""
