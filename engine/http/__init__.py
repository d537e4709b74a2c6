"""One port: ingest API, callbacks, tracking links, health and metrics."""
