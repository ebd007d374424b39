"""What the workers share: keys, counters, and who counts them."""
