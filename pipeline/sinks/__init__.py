"""Sinks: what documents are exported as (Parquet, Arrow, JSON Lines), and the folders that exports go into."""
