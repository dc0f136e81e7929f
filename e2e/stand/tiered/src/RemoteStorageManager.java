package io.aiven.kafka.tieredstorage;

import dev.agentmemory.stand.S3Segments;

/**
 * The test plugin under the name of Aiven's class, so that profile Aiven is rendered, mounted and started on the stand
 * just as it is with Aiven's own plugin. Nothing of Aiven's is in it.
 */
public final class RemoteStorageManager extends S3Segments {
}
