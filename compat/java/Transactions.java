import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
 * usage: Transactions BOOTSTRAP, commands on standard input
 *
 * <p>The Java client; compat/src/scenario/transactions.rs tells the contract. It runs with the jars of old versions of
 * the client too, so it keeps to what they have.
 */
public final class Transactions {
    private static final int PARTITIONS = 3;
    private static final Duration POLL = Duration.ofSeconds(1);

    private final String bootstrap;
    private final Map<String, KafkaProducer<String, String>> producers = new HashMap<>();
    private final Map<String, KafkaConsumer<String, String>> consumers = new HashMap<>();

    private Transactions(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        Transactions client = new Transactions(args[0]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                client.obey(line.split(" "));
                System.out.println("ok");
            } catch (ExecutionException error) {
                System.out.println("error " + error.getCause().getClass().getSimpleName());
            } catch (KafkaException error) {
                System.out.println("error " + error.getClass().getSimpleName());
            }
        }
        client.consumers.values().forEach(KafkaConsumer::close);
        client.producers.values().forEach(producer -> producer.close(Duration.ZERO));
    }

    private void obey(String[] words) throws Exception {
        switch (words[0]) {
            case "init" -> init(words[1], words[2], words[3]);
            case "begin" -> producers.get(words[1]).beginTransaction();
            case "send" -> producers
                    .get(words[1])
                    .send(new ProducerRecord<>(words[2], Integer.parseInt(words[3]), null, words[4]))
                    .get();
            case "offsets" -> offsets(producers.get(words[1]), words[2], words[3], Long.parseLong(words[4]));
            case "commit" -> producers.get(words[1]).commitTransaction();
            case "abort" -> producers.get(words[1]).abortTransaction();
            case "read" -> read(words[1], words[2], words[3]);
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private void init(String name, String transactionalId, String timeoutMs) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        settings.put("transactional.id", transactionalId);
        settings.put("transaction.timeout.ms", timeoutMs);
        settings.put("linger.ms", "0");
        KafkaProducer<String, String> producer = new KafkaProducer<>(settings);
        KafkaProducer<String, String> before = producers.put(name, producer);
        if (before != null) {
            before.close(Duration.ZERO);
        }
        producer.initTransactions();
    }

    private void offsets(KafkaProducer<String, String> producer, String group, String topic, long offset) {
        KafkaConsumer<String, String> consumer = consumers.get(group);
        if (consumer == null) {
            consumer = consumer(group, "committed");
            consumer.subscribe(List.of(topic));
            consumers.put(group, consumer);
        }
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        partitions(topic).forEach(partition -> next.put(partition, new OffsetAndMetadata(offset)));
        while (!isAt(consumer, next)) {
            consumer.poll(POLL);
        }
        producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
    }

    private static boolean isAt(KafkaConsumer<?, ?> consumer, Map<TopicPartition, OffsetAndMetadata> next) {
        return consumer.assignment().containsAll(next.keySet())
                && next.entrySet().stream().allMatch(at -> consumer.position(at.getKey()) >= at.getValue().offset());
    }

    private KafkaConsumer<String, String> consumer(String group, String isolation) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        settings.put("group.id", group);
        settings.put("isolation.level", "read_" + isolation);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(settings);
    }

    private static List<TopicPartition> partitions(String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            partitions.add(new TopicPartition(topic, partition));
        }
        return partitions;
    }

    private void read(String topic, String isolation, String last) {
        List<List<String>> seen = new ArrayList<>();
        partitions(topic).forEach(partition -> seen.add(new ArrayList<>()));
        try (KafkaConsumer<String, String> consumer = consumer("none", isolation)) {
            consumer.assign(partitions(topic));
            consumer.seekToBeginning(partitions(topic));
            while (!seen.stream().allMatch(values -> values.contains(last))) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    seen.get(record.partition()).add(record.value());
                }
            }
        }
        for (int partition = 0; partition < PARTITIONS; partition++) {
            System.out.println(partition + " " + String.join(" ", seen.get(partition)));
        }
    }
}
