"""Signed links, pixels and unsubscribe pages: pure; the routes that serve them are in `engine/http/links.py`."""
