"""Tables with a log: which of the rows in their files are still in the table."""
