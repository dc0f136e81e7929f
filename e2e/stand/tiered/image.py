"""Kafka's image with the test plugin in it, for engine kafka-tiered on the stand."""

from e2e.stand import kafka_image, oci
from e2e.stand.tiered.build import plugin

FOLDER = "/opt/tiered-storage/test"
CLASS_PATH = f"{FOLDER}/*"


def image() -> oci.Image:
    """`local/kafka-tiered:<version>`: the Kafka image's layers, and the plugin's jars at FOLDER."""
    made = plugin()
    layer = oci.remembered_layer("kafka-tiered", made.name, lambda: [(made, FOLDER)])
    _, _, *below = kafka_image.image().blobs
    name = f"local/kafka-tiered:{kafka_image.version()}"
    return oci.Recipe(name, [*below, layer], user="1000:1000", workdir="/").image()
