"""How journeyd is run with the services it may lean on: files for people and machines, and `deploy.local` for tests.

Not part of the wheel. Nothing in the product imports it.
"""
