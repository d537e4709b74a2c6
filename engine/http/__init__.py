"""The face that machines speak to: ingest, callbacks, tracked links, health, ops. It decides nothing.

`app.make_app` builds the one Starlette application; everything it needs comes as arguments.
"""
