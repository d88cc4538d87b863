"""What is kept: references, on disk and in memory."""
