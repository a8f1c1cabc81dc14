"""What is asked of trained networks, one file a record: what it asks, what it measures, how it is verified."""
