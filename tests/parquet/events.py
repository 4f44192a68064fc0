# Prints the rows of a dataset of events, a line of JSON each, in the order of its files.
import json, sys
import duckdb

root = sys.argv[1]
manifest = json.load(open(f"{root}/manifest.json"))
files = [f"{root}/{file['path']}" for file in manifest["tables"]["events"]["files"]]
columns = "log, _epoch, _n, _op, source, event, authority, uri, rev, record, detail, reason"
rows = duckdb.sql(f"SELECT {columns} FROM read_parquet({files!r}, file_row_number = true, filename = true)").fetchall()
assert len(rows) == manifest["tables"]["events"]["rows"], (len(rows), manifest)
for row in rows:
    print(json.dumps(dict(zip(columns.split(", "), row))))
