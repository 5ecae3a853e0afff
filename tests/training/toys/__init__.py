"""Methods that use all of what a method may do, each as small as it gets."""
