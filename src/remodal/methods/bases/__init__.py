"""What kinds of methods share; nothing here is a method."""
