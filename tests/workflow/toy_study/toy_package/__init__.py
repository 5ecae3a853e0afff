"""A package that adds a data set and a method to remodal, as a user's own would."""
