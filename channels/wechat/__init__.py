"""WeChat: one folder per product."""
