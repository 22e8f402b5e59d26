"""Reading datasets: Parquet files at fsspec URLs, streamed."""
