"""One module per form: bytes in, blocks of raw records with their position out."""
