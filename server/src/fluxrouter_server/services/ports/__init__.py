"""What the use cases need from the outside, as small protocols named for their roles."""
