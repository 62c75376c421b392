"""One job, from its source to its results."""
