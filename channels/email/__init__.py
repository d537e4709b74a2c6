"""Email: bytes assembled by hand, handed over by SMTP, bounces and complaints read back."""
