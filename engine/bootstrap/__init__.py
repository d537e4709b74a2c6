"""The composition root: the only place that knows everybody. It puts parts together and decides nothing.

Import what you need of it (`workspace`, `serve`, `history`, `providers`, `doctor`): a command that only reads the store
need not load the channels and the HTTP server.
"""
