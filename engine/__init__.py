"""The engine: one pure core, and the shells round it. Start reading at core/decide.py."""
