"""The reference embedding service: all-MiniLM-L6-v2 behind a small HTTP interface."""
