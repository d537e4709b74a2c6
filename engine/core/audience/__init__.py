"""Who the customer is: identity, profile, behaviour, lifecycle. Pure."""
