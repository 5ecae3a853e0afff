"""Methods that use everything that a method may do, each as small as possible.

They are found through entry points, as another package's methods would be.
"""
