"""One file a task: message in, claim, do, and the outcome recorded."""
