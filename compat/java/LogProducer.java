import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * usage: LogProducer --bootstrap-server HOST:PORT TOPIC
 *
 * <p>Sends lines of standard input, each {@code partition TAB key TAB value}, with the default (idempotent) producer;
 * fails if one record fails.
 */
public final class LogProducer {
    private LogProducer() {}

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[1]);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        properties.put("acks", "all");
        // Small, so that standard input is read no faster than the broker takes records.
        properties.put("buffer.memory", Integer.toString(4 << 20));
        properties.put("compression.type", "lz4");
        properties.put("max.block.ms", "120000");
        properties.put("reconnect.backoff.max.ms", "200");
        AtomicReference<Exception> failure = new AtomicReference<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (String line = lines.readLine(); line != null && failure.get() == null; line = lines.readLine()) {
                String[] fields = line.split("\t", 3);
                producer.send(new ProducerRecord<>(args[2], Integer.parseInt(fields[0]), fields[1], fields[2]),
                        (metadata, error) -> failure.compareAndSet(null, error));
            }
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }
}
