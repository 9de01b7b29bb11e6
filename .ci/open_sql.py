"""Ask every view of a lake's open.sql in the DuckDB at hand: `python open_sql.py LAKE`."""

import sys
from pathlib import Path

import duckdb

connection = duckdb.connect()
connection.execute((Path(sys.argv[1]) / "open.sql").read_text())
views = "select view_name from duckdb_views() where not internal"
names = [name for (name,) in connection.execute(views).fetchall()]
for name in names:
    connection.execute(f"select bit_xor(hash(whole)) from {name} as whole").fetchall()
sys.stdout.write(f"open.sql: {len(names)} views answer in DuckDB {duckdb.__version__}\n")
