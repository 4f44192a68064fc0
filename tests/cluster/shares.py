# Compares a dataset with several others that have shares of the same rows: prints by table how many rows only the one or
# only the others have, if any.
import json, sys
import duckdb

def files(root):
    tables = json.load(open(f"{root}/manifest.json"))["tables"]
    return {name: [f"{root}/{file['path']}" for file in table["files"]] for name, table in tables.items()}

whole, shares = files(sys.argv[1]), [files(root) for root in sys.argv[2:]]
differ = {}
for name in set(whole).union(*shares):
    rows = []
    for paths in (whole.get(name, []), [path for share in shares for path in share.get(name, [])]):
        found = duckdb.sql("SELECT to_json(row)::VARCHAR FROM read_parquet(%r, hive_partitioning = false) AS row" % paths).fetchall() if paths else []
        rows.append(sorted(text for (text,) in found))
    if rows[0] != rows[1]:
        differ[name] = [len(side) for side in rows]
print(json.dumps(differ))
