"""Outgoing webhooks: signed POSTs after Standard Webhooks 1.0.0, to public addresses only."""
