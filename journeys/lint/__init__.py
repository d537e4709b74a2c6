"""The checks of `journeys/check.py`, a module for each kind of question. Nobody else imports them.

Each takes a `Scene` (one compiled journey among what its workspace knows) or the whole workspace, and yields problems.
"""
