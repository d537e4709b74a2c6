"""What came of it all, counted over customers: the funnel of the stages. Pure."""
