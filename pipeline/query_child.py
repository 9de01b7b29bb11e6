"""The process that answers one ad-hoc query: shut off first, then a SELECT that was walked.

`query.py` starts this file as a script, with nothing but Python's own library in reach of the
imports above `main`. What holds, from the outside in:

- the kernel: no file can grow or be dumped, CPU time and data memory end somewhere; on Linux with
  Landlock no file but the live segments can be opened at all, nor any TCP connection; queries that
  no user wrote may fill a folder;
- the engine: external access off, the live segments allowed, extensions off, settings locked;
- the walk: one statement, whose every node, function and table is on a list.
"""

from __future__ import annotations

import ctypes
import difflib
import json
import os
import pickle
import re
import resource
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 16_384
SORTING_BYTES = 300 << 20  # of each thread: it holds 122,880 rows, whatever is on disk

Lists = dict[str, frozenset[str]]
"""What a query may use, in lower case: tables, functions, table_functions, nodes, expressions; and
`marts`, the views that a mistyped name may mean: only those that a query names are made for it."""

_FOREIGN = re.compile(r"\b(?:UHUGEINT|BIT|BIGNUM|VARIANT|TIME WITH TIME ZONE)\b")
"""Types that Arrow has none for: they would come out as other values, or as their bytes."""
_MACRO = re.compile(r"(?i)\bmacro (?!lake_no_jobs\b)")
_OPTIONS = re.compile(rb"(?i)(?:analyze\b)?\s*(?:\(\s*(?:analyze|format)\b(?:[\w\s,]|'\w*')*\))?")
"""What may stand between EXPLAIN and the query: no comment or text that hides a bracket."""
_SHOWN = ('"tables"', "__show_tables_expanded")
_PLAIN = "one SELECT (or FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN) is allowed"


class Refused(Exception):
    """A query that is not allowed: what, and the byte offset of the offending part or None."""


class Request(NamedTuple):
    """What the parent asks for: `memory` in bytes, `timeout` in seconds, `spill` a folder."""

    script: str
    files: tuple[str, ...]
    query: str
    params: dict[str, str] | None
    memory: int
    timeout: float
    lists: Lists
    spill: str = ""


def walk(tree: dict[str, Any], allowed: Lists) -> None:
    """Raise `Refused` for a node, function or table of a parsed query that is on no list."""
    pending: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while pending:
        node, ctes = pending.pop()
        children: Iterable[Any] = ()
        if isinstance(node, list):
            children = node
        elif isinstance(node, dict):
            for entry in node.get("cte_map", {}).get("map", ()):
                own = {entry["key"].lower()}
                recursive = entry["value"]["query_node"]["type"] == "RECURSIVE_CTE_NODE"
                pending.append((entry["value"], ctes | own if recursive else ctes))
                ctes |= own  # a name is known to what comes after it
            rest = {key: value for key, value in node.items() if key != "cte_map"}
            children = _examine(rest, ctes, allowed)
        pending.extend((child, ctes) for child in children)


def _examine(node: dict[str, Any], ctes: frozenset[str], allowed: Lists) -> Iterable[Any]:
    """Judge one node by itself; what lies below it is returned."""
    kind, at = node.get("type"), node.get("query_location")
    if "class" in node:
        if node["class"].lower() not in allowed["expressions"]:
            raise Refused(f"{node['class']} expressions are not allowed: {_PLAIN}", at)
    elif isinstance(kind, str) and kind.lower() not in allowed["nodes"]:
        what = kind.removesuffix("_NODE").removesuffix("_QUERY")
        raise Refused(f"{what} is not allowed, nested or not: {_PLAIN}", at)
    if "function_name" in node and node["function_name"].lower() not in allowed["functions"]:
        name, hint = node["function_name"], _nearest(node["function_name"], allowed["functions"])
        raise Refused(f"function {name} is unknown or not allowed{hint}: leave it out", at)
    if kind == "BASE_TABLE":
        _examine_table(node, ctes, allowed, at)
    elif kind == "SHOW_REF" and node.get("table_name"):
        if node.get("show_type") != "SHOW_SPECIAL":
            _examine_table(node, ctes, allowed, at)
        elif node["table_name"] not in _SHOWN:
            raise Refused(f"SHOW {node['table_name']} is not allowed: use SHOW TABLES", at)
    elif kind == "TABLE_FUNCTION":
        call = node["function"]
        name = str(call.get("function_name"))
        if name.lower() not in allowed["table_functions"]:
            hint = _nearest(name, allowed["tables"] | allowed["marts"])
            raise Refused(f"table function {name} is not allowed{hint}: read the lake's views", at)
        below = [value for key, value in call.items() if key != "function_name"]
        return [*below, *(value for key, value in node.items() if key != "function")]
    return node.values()


def _examine_table(
    node: dict[str, Any], ctes: frozenset[str], allowed: Lists, at: int | None
) -> None:
    *schema, name = [part.lower() for part in node["qualified_name"]["path"]]
    own = name in allowed["tables"] and schema in ([], ["main"], ["memory"], ["memory", "main"])
    told = schema == ["information_schema"] and name in ("tables", "columns", "schemata")
    if own or told or (not schema and name in ctes):
        return
    shown = ".".join(node["qualified_name"]["path"])
    hint = _nearest(name, allowed["tables"] | allowed["marts"])
    raise Refused(f"{shown} is no view of the lake{hint}: see `tunelog views`", at)


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower()[:60], sorted(known), 1, 0.7)
    return f" (did you mean {close[0]}?)" if close else ""


def checked(connection: duckdb.DuckDBPyConnection, query: str, allowed: Lists) -> str:
    """What to run of a query, all of which was parsed and walked here, or raise `Refused`."""
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        count = "an empty query" if not statements else f"{len(statements)} statements"
        raise Refused(f"{count} given: write exactly one", None)
    try:
        kind = statements[0].type.name
    except ValueError:  # the engine knows kinds that its Python package does not
        kind = "such a statement"
    head, body = _explain(query) if kind == "EXPLAIN" else ("", query)
    parsed = connection.execute("select json_serialize_sql($1)", [" " * len(head) + body])
    tree: dict[str, Any] = json.loads(parsed.fetchall()[0][0])
    if tree["error"] or len(tree["statements"]) != 1:
        if kind == "MULTI":
            raise Refused("PIVOT names no values: write pivot ... on x in (a, b) using ...", None)
        what = "EXPLAIN of anything else" if kind == "EXPLAIN" else kind
        raise Refused(f"{what} is not allowed: {_PLAIN}", None)
    walk(tree, allowed)
    return head + body


def _explain(query: str) -> tuple[str, str]:
    """EXPLAIN with its options, written anew in as many bytes, and what it explains."""
    import duckdb

    text = query.encode()
    words = [at for at, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment]
    start = words[1] if len(words) > 1 else len(text)
    told = found[0].decode() if (found := _OPTIONS.match(text, start)) else ""
    return "explain".ljust(start) + told, text[start + len(told) :].decode()


def limit_process(request: Request) -> None:
    """Set limits of the kernel that no query can raise.

    File size 0 refuses every write to a file; pipes are none. Data and CPU time are nets below the
    parent's watch, wide because an allocator reserves more than it uses.
    """
    caps = {resource.RLIMIT_CORE: 0} | ({} if request.spill else {resource.RLIMIT_FSIZE: 0})
    if sys.platform == "linux":
        caps[resource.RLIMIT_DATA] = 2 * request.memory + (1 << 30)
    caps[resource.RLIMIT_CPU] = int(request.timeout * (os.cpu_count() or 1)) + 5
    for kind, most in caps.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def fence_files(files: Iterable[str], spill: str = "") -> None:
    """Let this thread and those it starts read the given files and use `spill`, and nothing else.

    Without Landlock (https://docs.kernel.org/userspace-api/landlock.html) nothing happens.
    """
    if sys.platform != "linux":
        return
    create, add, restrict, no_new_privileges, read_file = 444, 445, 446, 38, 1 << 2
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(create, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return
    rights = 13 if version < 2 else 14 if version < 3 else 15 if version < 5 else 16
    handled = (ctypes.c_uint64 * 2)((1 << rights) - 1, 0b11 if version > 3 else 0)
    size = ctypes.c_size_t(16 if version > 3 else 8)
    rules = libc.syscall(create, ctypes.byref(handled), size, 0)
    allowed = dict.fromkeys(files, read_file) | ({spill: handled[0]} if spill else {})
    for path, access in allowed.items():
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = access.to_bytes(8, sys.byteorder) + handle.to_bytes(4, sys.byteorder)
        if libc.syscall(add, rules, 1, rule, 0):
            raise OSError(ctypes.get_errno(), f"Landlock refused {path}")
        os.close(handle)
    libc.prctl(no_new_privileges, 1, 0, 0, 0)
    if libc.syscall(restrict, rules, 0):
        raise OSError(ctypes.get_errno(), "Landlock cannot be switched on")
    os.close(rules)


def open_engine(request: Request) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the lake's views, that can open nothing else any more."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        # The process itself and what the engine does not count get the rest.
        "memory_limit": f"{(request.memory - (64 << 20)) * 8 // 10}B",
        "temp_directory": request.spill,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "errors_as_json": True,
        # The fence holds for threads that start behind it: none may run before.
        "threads": 1,
        "async_threads": 0,
    }
    connection = duckdb.connect(":memory:", config=config)
    fence_files(request.files, request.spill)
    most = request.memory // SORTING_BYTES if request.spill else sys.maxsize
    connection.execute(f"set threads = {max(min(os.cpu_count() or 1, most), 1)}")
    connection.execute("set TimeZone = 'UTC'")
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in request.files)
    connection.execute(f"set allowed_paths = [{quoted}]")
    connection.execute("set enable_external_access = false")
    connection.execute(request.script)
    connection.execute("set lock_configuration = true")
    return connection


def names(connection: duckdb.DuckDBPyConnection, request: Request) -> Lists:
    """What the script made, beside the engine's functions on the lists."""
    query = "select table_name from information_schema.tables"
    made = {name.lower() for (name,) in connection.execute(query).fetchall()}
    # what only views read: tables with the rows of other jobs
    tables = frozenset(made - {f"all_{name[5:]}" for name in made if name.startswith("lake_")})
    kinds = "select function_name, function_type from duckdb_functions() where not internal"
    asked = _MACRO.search(request.script)  # the question costs more than most answers
    macros = connection.execute(kinds).fetchall() if asked else []
    plain = {name.lower() for name, kind in macros if kind == "macro"}
    rows = {name.lower() for name, kind in macros if kind == "table_macro"}
    return request.lists | {
        "tables": tables,
        "functions": request.lists["functions"] | plain,
        # a view with parameters is both; a macro that only views use may read what it is told
        "table_functions": request.lists["table_functions"] | (rows & tables),
    }


def answer(request: Request, out: Any) -> None:
    """Write the rows of the query as an Arrow stream."""
    import pyarrow.ipc as ipc  # before the fence, behind which nothing can be imported

    try:
        connection = open_engine(request)
    except Exception as error:  # of many kinds where files are damaged: none is the query's
        raise RuntimeError(f"the views cannot be made: {error}") from error
    query = checked(connection, request.query, names(connection, request))
    try:
        rows = connection.sql(query, params=request.params)
    except Exception:  # relations forget where the mistake is: this way tells, at the same one
        connection.execute(query, request.params)
        raise
    for name, kind in zip(rows.columns, rows.types, strict=True):
        if found := _FOREIGN.search(re.sub(r"""'[^']*'|"[^"]*\"""", "", str(kind))):
            mend = f"cast it, as in {name}::varchar"
            raise Refused(f"{name}: no format holds {found[0]}: {mend}", None)
    reader = rows.to_arrow_reader(BATCH_ROWS)
    with ipc.new_stream(out, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Read a pickled `Request` from standard input, write Arrow to standard output.

    Failures are one JSON object on standard error, with exit code 1.
    """
    # Whatever else prints must not get between the batches.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path[:] = json.loads(sys.argv[1])
    # Both packages do without numpy here, and it would take half of the start.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    try:
        request = Request(*pickle.load(sys.stdin.buffer))
        threading.Thread(target=_end_with_parent, daemon=True).start()
        limit_process(request)
        answer(request, out)
        out.flush()
    except BaseException as error:
        kind = type(error).__name__
        text, at = error.args if isinstance(error, Refused) else (str(error), None)
        before, marked, told = text.partition('{"exception_type"')
        with suppress(ValueError):  # the engine tells an error of a query as JSON
            told = json.loads(marked + told)
            text, at = before + told["exception_message"], told.get("position", at)
            if told["exception_type"] == "Out of Memory":  # between rows it is an OSError
                kind = "MemoryError"
        # More than a pipe holds would wait for a parent that still waits for rows.
        os.write(2, json.dumps([kind, text[:8000], at]).encode())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
