"""Stores behind `ports.Store`: memory (the reference), sqlite and postgres."""
