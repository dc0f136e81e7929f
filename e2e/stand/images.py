"""The images that every node of the stand has."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from e2e.stand import base_image, kafka_image, oci, operator_image
from e2e.stand.node import Node


def all_images() -> list[oci.Image]:
    """Pause, base, Kafka and operator; each is made where it is missing or its sources have changed."""
    return [base_image.pause(), base_image.base(), kafka_image.image(), operator_image.image()]


def lasting_images() -> list[oci.Image]:
    """What changes seldom and is big: with these a node starts, so that later only small layers are missing."""
    return [base_image.pause(), base_image.base(), kafka_image.image(), operator_image.without_application()]


def load(nodes: Sequence[Node], images: Sequence[oci.Image]) -> int:
    """Imports the images into the nodes, nodes side by side; how many imports it took."""
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return sum(pool.map(lambda node: sum(node.runtime.load(image) for image in images), nodes))
