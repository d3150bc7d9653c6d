"""usage: outbox_table.py FILE TABLE: its rows, one a line, in the order of their ids."""

import sqlite3
import sys

file, table = sys.argv[1:]
for row in sqlite3.connect(file).execute(f"SELECT * FROM {table} ORDER BY id"):
    print(*row)
