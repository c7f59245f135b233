"""What the project does for itself; none of it is installed."""
