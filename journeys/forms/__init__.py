"""What may be written, one pydantic model per block: the rooms behind `journeys/syntax.py` and `audience.py`."""
