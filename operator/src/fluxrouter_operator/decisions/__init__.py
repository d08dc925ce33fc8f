"""What should be so: pure functions of what was gathered. They know no I/O and no clock."""
