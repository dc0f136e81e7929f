"""Names, paths and classes of engine kafka-tiered; what it shares with engine kafka is in engines.kafka.names."""

SECRETS = "/opt/agentmemory/tiering"
"""Mount of the plugin's secret settings, a file each."""

AIVEN_CLASS = "io.aiven.kafka.tieredstorage.RemoteStorageManager"
AIVEN_STORAGE = "io.aiven.kafka.tieredstorage.storage.s3.S3Storage"
AIVEN_PATH = "/opt/tiered-storage/core/*:/opt/tiered-storage/s3/*"
"""Where the two archives of an Aiven release (core and s3) are expected in the image (docs/image-contract.md)."""
