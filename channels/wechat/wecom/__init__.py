"""WeCom (企业微信): messages to colleagues through an app, and to customers through the member who knows them."""
