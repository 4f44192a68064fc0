# Reads a dataset as docs/exports.md says, with three readers that must agree with the manifest; prints how many rows
# each table has, and what a changelog folds to.
import json, os, sys
import duckdb, polars, pyarrow.dataset

root = sys.argv[1]
manifest = json.load(open(f"{root}/manifest.json"))
told = {"generation": manifest["generation"], "complete": manifest["complete"], "progress": manifest["progress"], "tables": {}}
for name, table in manifest["tables"].items():
    files = [f"{root}/{file['path']}" for file in table["files"]]
    counts = [
        duckdb.read_parquet(files).aggregate("count(*)").fetchall()[0][0],
        pyarrow.dataset.dataset(files).count_rows(),
        polars.scan_parquet(files, hive_partitioning=False).select(polars.len()).collect().item(),
    ]
    assert counts == [table["rows"]] * 3, (name, counts, table["rows"])
    rows = counts[0]
    if manifest["form"] == "changelog":
        rows = duckdb.sql(
            "SELECT count(*) FROM (SELECT _op FROM read_parquet(%r) "
            "QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _epoch DESC, _n DESC) = 1) WHERE _op != 'd'" % files
        ).fetchall()[0][0]
        twice = duckdb.sql(
            "SELECT count(*) FROM (SELECT _epoch, _n FROM read_parquet(%r) WHERE _n > 0 GROUP BY ALL HAVING count(*) > 1)" % files
        ).fetchall()[0][0]
        assert twice == 0, (name, twice)
    told["tables"][name] = rows
# Before the first commit there may be none.
for name in list(manifest["tables"])[:1]:
    in_sql = duckdb.sql(
        f"SELECT sum(file.rows) FROM (SELECT unnest(tables.{name}.files) AS file FROM read_json('{root}/manifest.json'))"
    ).fetchall()[0][0]
    assert in_sql >= 0
print(json.dumps(told))
