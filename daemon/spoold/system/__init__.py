"""What spoold asks of Linux: files, locks, processes, channels. Nothing here knows what a job is."""
