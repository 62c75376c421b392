"""The daemon: takes manifests, schedules jobs, obeys commands, tells how things stand. It runs no user code."""
