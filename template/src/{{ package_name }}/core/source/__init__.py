"""What tools call. `connect` is the interface, the same for every source."""
