"""A plan, a customer's way and a touch in plain words, English and Chinese: the rooms behind `journeys/explain.py`."""
