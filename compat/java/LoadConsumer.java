import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * usage: LoadConsumer --bootstrap-server HOST:PORT TOPIC PARTITIONS RECORDS
 *
 * <p>Reads all partitions of a topic as fast as they come, with the settings that Kafka's own ConsumerPerformance
 * uses, but assigned, not as a member of a group. Prints what it read, and how fast, as one JSON object.
 */
public final class LoadConsumer {
    private static final Duration POLL = Duration.ofMillis(100);
    private static final long PATIENCE_MS = 30_000;

    private LoadConsumer() {}

    public static void main(String[] args) {
        String topic = args[2];
        long wanted = Long.parseLong(args[4]);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[1]);
        properties.put("receive.buffer.bytes", "2097152");
        properties.put("max.partition.fetch.bytes", "1048576");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("check.crcs", "false");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        List<TopicPartition> partitions =
                IntStream.range(0, Integer.parseInt(args[3])).mapToObj(index -> new TopicPartition(topic, index)).toList();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
            long start = System.nanoTime();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long records = 0;
            long bytes = 0;
            long lastMs = System.currentTimeMillis();
            while (records < wanted && System.currentTimeMillis() - lastMs < PATIENCE_MS) {
                ConsumerRecords<byte[], byte[]> polled = consumer.poll(POLL);
                if (!polled.isEmpty()) {
                    lastMs = System.currentTimeMillis();
                }
                for (ConsumerRecord<byte[], byte[]> record : polled) {
                    records += 1;
                    bytes += record.value().length;
                }
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf(
                    "{\"records\": %d, \"records_per_s\": %.0f, \"throughput_mib_s\": %.2f}%n",
                    records, records / seconds, bytes / 1048576.0 / seconds);
        }
    }
}
