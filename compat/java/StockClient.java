import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * usage: StockClient HOST:PORT, commands on standard input
 *
 * <p>The Java client; compat/src/scenario/clients/mod.rs tells the contract. It runs with the jars of old versions of
 * the client too, so it keeps to what they have.
 */
public final class StockClient {
    private static final int FIELD_BYTES_MAX = 64;
    /** The broker's limit is what is looked at, not the client's. */
    private static final String REQUEST_BYTES_MAX = Integer.toString(8 << 20);

    private final String bootstrap;
    private final List<String[]> records = new ArrayList<>();

    private StockClient(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        StockClient client = new StockClient(args[0]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            client.obey(line);
        }
    }

    private void obey(String line) throws Exception {
        String[] words = line.split(" ");
        if (words[0].equals("record")) {
            records.add(words);
            return;
        }
        if (words[0].equals("forget")) {
            records.clear();
            return;
        }
        System.out.println("> " + line);
        switch (words[0]) {
            case "produce" -> produce(words[1], words[2], words[3].equals("idempotent"));
            case "consume" -> consume(words[1], Integer.parseInt(words[2]));
            case "times" -> times(new TopicPartition(words[1], Integer.parseInt(words[2])), words);
            case "partitions" -> partitions(words[1]);
            default -> throw new IllegalArgumentException(line);
        }
    }

    private void produce(String topic, String codec, boolean idempotent) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("compression.type", codec);
        settings.put("enable.idempotence", Boolean.toString(idempotent));
        settings.put("acks", "all");
        settings.put("linger.ms", "5");
        settings.put("max.request.size", REQUEST_BYTES_MAX);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            for (String[] words : records) {
                sent.add(producer.send(record(topic, words)));
            }
            for (Future<RecordMetadata> future : sent) {
                future.get();
            }
            System.out.println("acked " + sent.size());
        } catch (ExecutionException error) {
            System.out.println("error " + error.getCause().getClass().getSimpleName());
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, String[] words) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                topic, Integer.parseInt(words[1]), Long.parseLong(words[2]), parse(words[3]), parse(words[4]));
        for (int at = 5; at < words.length; at += 2) {
            record.headers().add(new String(parse(words[at]), StandardCharsets.UTF_8), parse(words[at + 1]));
        }
        return record;
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(settings);
    }

    private void consume(String topic, int count) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int partition = 0; partition < count; partition++) {
            partitions.add(new TopicPartition(topic, partition));
        }
        List<ConsumerRecord<byte[], byte[]>> seen = new ArrayList<>();
        StringBuilder ends = new StringBuilder("ends");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> last = consumer.endOffsets(partitions);
            partitions.forEach(partition -> ends.append(' ').append(last.get(partition)));
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < last.get(partition))) {
                consumer.poll(Duration.ofSeconds(1)).forEach(seen::add);
            }
        }
        seen.sort(Comparator.<ConsumerRecord<byte[], byte[]>>comparingInt(ConsumerRecord::partition)
                .thenComparingLong(ConsumerRecord::offset));
        seen.forEach(StockClient::show);
        System.out.println(ends);
    }

    private static void show(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(record.partition()).append(' ').append(record.offset()).append(' ').append(record.timestamp());
        line.append(' ').append(show(record.key())).append(' ').append(show(record.value()));
        for (Header header : record.headers()) {
            line.append(' ').append(show(header.key().getBytes(StandardCharsets.UTF_8)));
            line.append(' ').append(show(header.value()));
        }
        System.out.println(line);
    }

    private void times(TopicPartition partition, String[] words) {
        StringBuilder offsets = new StringBuilder("offsets");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            for (String time : Arrays.copyOfRange(words, 3, words.length)) {
                OffsetAndTimestamp found =
                        consumer.offsetsForTimes(Map.of(partition, Long.parseLong(time))).get(partition);
                offsets.append(' ').append(found == null ? -1 : found.offset());
            }
        }
        System.out.println(offsets);
    }

    private void partitions(String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            System.out.println("partitions " + consumer.partitionsFor(topic).size());
        }
    }

    private static byte[] parse(String word) {
        if (word.equals("null")) {
            return null;
        }
        String[] parts = word.substring(1).split("\\*");
        return HexFormat.of().parseHex(parts[0].repeat(parts.length == 1 ? 1 : Integer.parseInt(parts[1])));
    }

    private static String show(byte[] field) {
        if (field == null) {
            return "null";
        }
        if (field.length <= FIELD_BYTES_MAX) {
            return "=" + HexFormat.of().formatHex(field);
        }
        CRC32 checksum = new CRC32();
        checksum.update(field);
        return String.format("=%d#%08x", field.length, checksum.getValue());
    }
}
