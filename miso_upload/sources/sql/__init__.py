"""Reads the result of an SQL query over the inputs as JSON Lines, with DuckDB."""
