"""The world: channel adapters, rendering, and the sandbox providers."""
