"""What a job's journal is: its format, its segments, and what can be read back from them."""
