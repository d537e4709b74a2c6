"""The CDNOW purchases, a public data set, as events of a shop."""
