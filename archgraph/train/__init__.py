"""From a compiled detector to boxes on photographs: data, evaluation, prediction.

The only room that touches images and disks. Start at `records.py`: what a dataset says of its
images is what everything else here passes on.
"""
