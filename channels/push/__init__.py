"""App push through Firebase Cloud Messaging (HTTP v1)."""
