"""Engines that draw conclusions from rules: our own, the reference, and durable-rules, the second opinion."""
