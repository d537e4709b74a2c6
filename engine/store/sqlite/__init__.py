"""The embedded store and journal, on apsw."""
