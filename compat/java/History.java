import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * usage: History BOOTSTRAP, commands on standard input
 *
 * <p>The Java client; compat/src/scenario/history.rs tells the contract. It runs with the jars of old versions of the
 * client too, so it keeps to what they have.
 */
public final class History {
    private final String bootstrap;
    private KafkaProducer<String, String> plain;
    private KafkaProducer<String, String> transactional;
    private KafkaConsumer<String, String> consumer;

    private History(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        History client = new History(args[0]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                client.obey(line.split(" "));
                System.out.println("ok");
            } catch (ExecutionException error) {
                System.out.println("error " + error.getCause().getClass().getSimpleName());
            } catch (KafkaException | IllegalStateException error) {
                System.out.println("error " + error.getClass().getSimpleName());
            }
        }
        // Whatever is open is left open, as by a client that dies.
        System.exit(0);
    }

    private void obey(String[] words) throws Exception {
        switch (words[0]) {
            case "open" -> open(words[1], words[2], words[3], words[4]);
            case "assign" -> assign(words);
            case "subscribe" -> consumer.subscribe(List.of(words).subList(1, words.length));
            case "consumed" -> consumer.commitSync(offsets(words));
            case "rewind" -> rewind();
            case "send" -> send(plain, words);
            case "poll" -> poll(Duration.ofMillis(Long.parseLong(words[1])));
            case "begin" -> transactional.beginTransaction();
            case "put" -> send(transactional, words);
            case "offsets" -> transactional.sendOffsetsToTransaction(offsets(words), consumer.groupMetadata());
            case "commit" -> transactional.commitTransaction();
            case "abort" -> transactional.abortTransaction();
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private void open(String transactionalId, String timeoutMs, String requestTimeoutMs, String group) {
        close();
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        settings.put("enable.idempotence", "true");
        settings.put("acks", "all");
        settings.put("linger.ms", "0");
        settings.put("request.timeout.ms", requestTimeoutMs);
        settings.put("delivery.timeout.ms", Long.toString(2 * Long.parseLong(requestTimeoutMs)));
        settings.put("max.block.ms", Long.toString(3 * Long.parseLong(requestTimeoutMs)));
        settings.put("reconnect.backoff.max.ms", "200");
        plain = new KafkaProducer<>(settings);
        settings.put("transactional.id", transactionalId);
        settings.put("transaction.timeout.ms", timeoutMs);
        transactional = new KafkaProducer<>(settings);
        consumer = consumer(group);
        transactional.initTransactions();
    }

    private void close() {
        if (plain != null) {
            plain.close(Duration.ZERO);
            transactional.close(Duration.ZERO);
            consumer.close(Duration.ZERO);
        }
    }

    private KafkaConsumer<String, String> consumer(String group) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        settings.put("group.id", group);
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "100");
        settings.put("session.timeout.ms", "6000");
        settings.put("heartbeat.interval.ms", "500");
        settings.put("max.poll.interval.ms", "20000");
        settings.put("reconnect.backoff.max.ms", "200");
        return new KafkaConsumer<>(settings);
    }

    private void assign(String[] words) {
        Map<TopicPartition, OffsetAndMetadata> places = offsets(words);
        consumer.assign(new ArrayList<>(places.keySet()));
        places.forEach((partition, next) -> consumer.seek(partition, next.offset()));
    }

    private void rewind() {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(assigned);
        for (TopicPartition partition : assigned) {
            OffsetAndMetadata next = committed.get(partition);
            consumer.seek(partition, next == null ? 0 : next.offset());
        }
    }

    private static void send(KafkaProducer<String, String> producer, String[] words) throws Exception {
        TopicPartition to = partition(words[1]);
        System.out.println(producer.send(new ProducerRecord<>(to.topic(), to.partition(), null, words[2])).get().offset());
    }

    private void poll(Duration patience) {
        for (ConsumerRecord<String, String> record : consumer.poll(patience)) {
            System.out.println(record.topic() + "-" + record.partition() + " " + record.offset() + " " + record.value());
        }
    }

    /** PARTITION:OFFSET for each. */
    private static Map<TopicPartition, OffsetAndMetadata> offsets(String[] words) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (String word : List.of(words).subList(1, words.length)) {
            int colon = word.indexOf(':');
            long offset = Long.parseLong(word.substring(colon + 1));
            offsets.put(partition(word.substring(0, colon)), new OffsetAndMetadata(offset));
        }
        return offsets;
    }

    private static TopicPartition partition(String word) {
        int dash = word.lastIndexOf('-');
        return new TopicPartition(word.substring(0, dash), Integer.parseInt(word.substring(dash + 1)));
    }
}
