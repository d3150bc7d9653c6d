import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * usage: LogConsumer --bootstrap-server HOST:PORT TOPIC PARTITION
 *
 * <p>Prints {@code key TAB value} of every record of one partition, up to the end it had at the start.
 */
public final class LogConsumer {
    private LogConsumer() {}

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[1]);
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        TopicPartition partition = new TopicPartition(args[2], Integer.parseInt(args[3]));
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties);
                OutputStream out = new BufferedOutputStream(System.out, 1 << 16)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    out.write(record.key());
                    out.write("\t".getBytes(StandardCharsets.US_ASCII));
                    if (record.value() != null) {
                        out.write(record.value());
                    }
                    out.write("\n".getBytes(StandardCharsets.US_ASCII));
                }
            }
        }
    }
}
