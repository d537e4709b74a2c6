"""Signed links, the open pixel and the unsubscribe page."""
