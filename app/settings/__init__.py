"""What the operator meant: the file read, checked whole, and told as plain frozen values."""
