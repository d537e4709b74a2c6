"""The journey language: YAML in, Plan out, with every complaint located."""
