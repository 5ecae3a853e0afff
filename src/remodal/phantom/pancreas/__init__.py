"""Simulated portal venous CT of the abdomen with a pancreas, its neighbours and its rivals.

The trunk and most organs are those of the simulated dual-phase CT. In Pancreas-CT's place: what
makes a pancreas hard to find is there (bowel of the same brightness, fat between the lobules, few
sharp edges), in proportions and brightness as radiology describes them.
"""
