"""Alembic migrations; `unlearnd migrate` runs them."""
