"""WeChat official account: token, template and customer-service messages, and the callback server's reading."""
