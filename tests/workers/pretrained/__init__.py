"""Small networks in the Hugging Face layout, trained for a few seconds on real data."""
