"""The dials: every setting with its meaning, unit and default."""
