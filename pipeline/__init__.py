"""tunelog: fine-tuning event dumps in, a Parquet lake and DuckDB views out."""
