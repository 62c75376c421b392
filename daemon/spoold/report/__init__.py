"""What people look at when a job ends."""
