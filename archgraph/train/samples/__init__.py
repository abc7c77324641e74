"""From images on disk to batches of tensors: embedded scenes, augmentations, resizing, loading."""
