"""What the template keeps: updates replace it."""
