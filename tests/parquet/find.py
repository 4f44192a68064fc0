# Counts the rows of all files in a folder, whether a manifest names them or not, that say a word anywhere.
import glob, sys
import pyarrow.parquet

found = 0
for path in glob.glob(f"{sys.argv[1]}/**/*.parquet", recursive=True):
    try:
        rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    except FileNotFoundError:  # It was replaced meanwhile.
        continue
    found += sum(open(sys.argv[2]).read() in str(row) for row in rows)
print(found)
