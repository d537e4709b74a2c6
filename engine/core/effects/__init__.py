"""What a touch achieved: exposure, attribution, funnel. Pure."""
