"""What happened: a class for each kind of event, and the one function that records them."""
