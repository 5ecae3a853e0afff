"""Methods that use all of what a method may do, each as small as it gets.

They come as another package's methods would, by entry points.
"""
