"""The heart: (playbook, customer, happening, now) -> Decision. Pure; imports only value libraries."""
