"""The workers: supervisors that talk to the database, and runners that compute."""
