"""The works that hybrid_fast and its rivals are timed at, and the tables of what came out."""
