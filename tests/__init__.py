"""What Tollhouse promises, as claims that can be false; README.md tells how they are ordered."""
