"""Tables of PostgreSQL and DuckDB, read by key ranges and written as new tables."""
