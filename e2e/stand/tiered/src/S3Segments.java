package dev.agentmemory.stand;

import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.server.log.remote.storage.LogSegmentData;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentMetadata;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentMetadata.CustomMetadata;
import org.apache.kafka.server.log.remote.storage.RemoteResourceNotFoundException;
import org.apache.kafka.server.log.remote.storage.RemoteStorageException;
import org.apache.kafka.server.log.remote.storage.RemoteStorageManager;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;

/**
 * A RemoteStorageManager (KIP-405) for tests: one object a file of a segment, neither chunks nor caches. It reads those
 * of its settings that it shares with Aiven's plugin by the same names, so that what is rendered for that one drives
 * this one too. Not for production: a fetch streams from one GET, and nothing bounds memory or rates.
 */
public class S3Segments implements RemoteStorageManager {
    private static final String ACCESS_KEY = "storage.aws.access.key.id";
    private static final String SECRET_KEY = "storage.aws.secret.access.key";

    private S3Client client;
    private String bucket;
    private String prefix;

    @Override
    public void configure(Map<String, ?> settings) {
        bucket = required(settings, "storage.s3.bucket.name");
        prefix = text(settings, "key.prefix").orElse("");
        var builder = S3Client.builder()
            .httpClientBuilder(UrlConnectionHttpClient.builder())
            .region(Region.of(required(settings, "storage.s3.region")))
            .forcePathStyle(text(settings, "storage.s3.path.style.access.enabled").map(Boolean::valueOf).orElse(false))
            .credentialsProvider(credentials(settings));
        text(settings, "storage.s3.endpoint.url").map(URI::create).ifPresent(builder::endpointOverride);
        client = builder.build();
    }

    private static AwsCredentialsProvider credentials(Map<String, ?> settings) {
        if (text(settings, ACCESS_KEY).isEmpty()) {
            return DefaultCredentialsProvider.create();
        }
        return StaticCredentialsProvider.create(
            AwsBasicCredentials.create(required(settings, ACCESS_KEY), required(settings, SECRET_KEY)));
    }

    @Override
    public Optional<CustomMetadata> copyLogSegmentData(RemoteLogSegmentMetadata segment, LogSegmentData data)
            throws RemoteStorageException {
        Map<String, Path> files = new LinkedHashMap<>();
        files.put(suffix(IndexType.OFFSET), data.offsetIndex());
        files.put(suffix(IndexType.TIMESTAMP), data.timeIndex());
        files.put(suffix(IndexType.PRODUCER_SNAPSHOT), data.producerSnapshotIndex());
        data.transactionIndex().ifPresent(file -> files.put(suffix(IndexType.TRANSACTION), file));
        files.put("log", data.logSegment());
        attempt("copy " + segment.remoteLogSegmentId(), () -> {
            ByteBuffer epochs = data.leaderEpochIndex();
            put(key(segment, suffix(IndexType.LEADER_EPOCH)), RequestBody.fromByteBuffer(epochs));
            files.forEach((suffix, file) -> put(key(segment, suffix), RequestBody.fromFile(file)));
            return null;
        });
        return Optional.empty();
    }

    @Override
    public InputStream fetchLogSegment(RemoteLogSegmentMetadata segment, int start) throws RemoteStorageException {
        return get(key(segment, "log"), "bytes=" + start + "-");
    }

    @Override
    public InputStream fetchLogSegment(RemoteLogSegmentMetadata segment, int start, int end)
            throws RemoteStorageException {
        return get(key(segment, "log"), "bytes=" + start + "-" + end);
    }

    @Override
    public InputStream fetchIndex(RemoteLogSegmentMetadata segment, IndexType type) throws RemoteStorageException {
        return get(key(segment, suffix(type)), null);
    }

    @Override
    public void deleteLogSegmentData(RemoteLogSegmentMetadata segment) throws RemoteStorageException {
        attempt("delete " + segment.remoteLogSegmentId(), () -> {
            delete(key(segment, "log"));
            for (IndexType type : IndexType.values()) {
                delete(key(segment, suffix(type)));
            }
            return null;
        });
    }

    @Override
    public void close() {
        if (client != null) {
            client.close();
        }
    }

    private void put(String key, RequestBody body) {
        client.putObject(request -> request.bucket(bucket).key(key), body);
    }

    private void delete(String key) {
        client.deleteObject(request -> request.bucket(bucket).key(key));
    }

    private InputStream get(String key, String range) throws RemoteStorageException {
        return attempt("read " + key, () -> client.getObject(request -> request.bucket(bucket).key(key).range(range)));
    }

    private interface Call<T> {
        T run();
    }

    private static <T> T attempt(String what, Call<T> call) throws RemoteStorageException {
        try {
            return call.run();
        } catch (NoSuchKeyException error) {
            throw new RemoteResourceNotFoundException("cannot " + what + ": it is not in the bucket", error);
        } catch (SdkException error) {
            throw new RemoteStorageException("cannot " + what + ": " + error.getMessage(), error);
        }
    }

    private String key(RemoteLogSegmentMetadata segment, String suffix) {
        var partition = segment.remoteLogSegmentId().topicIdPartition();
        return String.format("%s%s-%s/%d/%020d-%s.%s", prefix, partition.topic(), partition.topicId(),
            partition.partition(), segment.startOffset(), segment.remoteLogSegmentId().id(), suffix);
    }

    private static String suffix(IndexType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }

    private static Optional<String> text(Map<String, ?> settings, String name) {
        return Optional.ofNullable(settings.get(name)).map(Object::toString);
    }

    private static String required(Map<String, ?> settings, String name) {
        return text(settings, name).orElseThrow(() -> new ConfigException("setting " + name + " is missing"));
    }
}
