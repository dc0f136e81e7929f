"""Kafka's image with the test plugin in it, for engine kafka-tiered on the stand."""

from pathlib import Path

from e2e.stand import kafka_image, oci
from e2e.stand.shell import digest
from e2e.stand.tiered.build import plugin

FOLDER = "/opt/tiered-storage/test"
CLASS_PATH = f"{FOLDER}/*"
_BIN = Path(__file__).resolve().parent / "bin"


def image() -> oci.Image:
    """`local/kafka-tiered:<version>`: the Kafka image's layers, the plugin's jars at FOLDER, and a Kafka that looks
    every few seconds where it would look every few minutes (bin/kafka-server-start.sh)."""
    made = plugin()
    layer = oci.remembered_layer(
        "kafka-tiered", digest(made.name, _BIN), lambda: [(made, FOLDER), (_BIN, "/opt/kafka/bin")]
    )
    _, _, *below = kafka_image.image().blobs
    name = f"local/kafka-tiered:{kafka_image.version()}"
    return oci.Recipe(name, [*below, layer], user="1000:1000", workdir="/").image()
