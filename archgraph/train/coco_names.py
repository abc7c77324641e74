"""What COCO calls its categories, ids 1 to 90: what published detectors tell apart."""

from __future__ import annotations

_GROUPS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light
fire hydrant, , stop sign, parking meter, bench, bird, cat, dog, horse, sheep
cow, elephant, bear, zebra, giraffe, , backpack, umbrella, , ,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove
skateboard, surfboard, tennis racket, bottle, , wine glass, cup, fork, knife, spoon
bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut
cake, chair, couch, potted plant, bed, , dining table, , , toilet
, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster
sink, refrigerator, , book, clock, vase, scissors, teddy bear, hair drier, toothbrush
"""
# Ten ids a line; "" for the ten ids that no object has.
COCO_NAMES: tuple[str, ...] = tuple(
    name.strip() for line in _GROUPS.strip().splitlines() for name in line.split(",")[:10]
)
