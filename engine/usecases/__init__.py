"""The verbs: gather, decide, persist. Synchronous; adapters are arguments."""
