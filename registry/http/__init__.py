"""What every face shares: the gate before each view, who asks, and how a body is read."""
