"""What the API, the dispatcher and the workers share. No HTTP and no torch."""
