"""Stores behind `ports.Store`: memory (the reference) and sqlite."""
