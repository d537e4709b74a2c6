"""What journeyd costs, against baselines measured in the same run. No assertion is timed; nothing imports this."""
