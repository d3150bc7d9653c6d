import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * usage: SessionConsumer --bootstrap-server HOST:PORT
 *
 * <p>One consumer stays assigned to several partitions while records come slowly, one of its topics is deleted and
 * created again, and its broker goes and comes. Says what it got in each step. Prints {@code stop} or {@code kill}
 * where the broker is to go, and goes on once a line stands on its standard input.
 */
public final class SessionConsumer {
    private static final Duration DEADLINE = Duration.ofSeconds(50);
    private static final Duration POLL = Duration.ofMillis(100);

    private final String bootstrap;
    private final KafkaConsumer<String, String> consumer;
    private final BufferedReader input =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    private int next;

    private SessionConsumer(String bootstrap) {
        this.bootstrap = bootstrap;
        Properties properties = properties();
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        properties.put("auto.offset.reset", "earliest");
        properties.put("fetch.max.wait.ms", "100");
        properties.put("metadata.max.age.ms", "1000");
        properties.put("allow.auto.create.topics", "false");
        consumer = new KafkaConsumer<>(properties);
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        return properties;
    }

    public static void main(String[] args) throws Exception {
        new SessionConsumer(args[1]).run();
    }

    private static TopicPartition at(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    private void run() throws Exception {
        TopicPartition[] all = {at("kept", 0), at("kept", 1), at("gone", 0), at("gone", 1)};
        create("kept");
        create("gone");
        consumer.assign(List.of(all));
        consumer.seekToBeginning(List.of(all));
        for (TopicPartition partition : all) {
            produce(partition, 5);
        }
        see("everything", 20);
        quiet();
        produce(all[1], 1);
        see("one partition of four", 1);
        produce(all[0], 2);
        produce(all[3], 1);
        see("two partitions of four", 3);

        delete("gone");
        produce(all[0], 1);
        see("while a topic is deleted", 1);
        create("gone");
        produce(all[2], 3);
        produce(all[3], 2);
        see("it is there again", 5);

        consumer.assign(List.of(all[1], all[2]));
        consumer.seek(all[2], 3);
        produce(all[0], 1);
        produce(all[2], 1);
        see("two partitions are forgotten", 1);
        quiet();
        consumer.assign(List.of(all));
        consumer.seek(all[0], 8);
        consumer.seek(all[3], 2);
        see("and wanted again", 1);

        for (String how : List.of("stop", "kill")) {
            say(how);
            input.readLine();
            for (TopicPartition partition : all) {
                produce(partition, 1);
            }
            see("after the broker came back", 4);
        }
        consumer.close();
    }

    private static void say(String words) {
        System.out.println(words);
        System.out.flush();
    }

    private void create(String topic) throws Exception {
        try (Admin admin = Admin.create(properties())) {
            admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
            until(() -> admin.describeTopics(List.of(topic)).allTopicNames().get().size() == 1);
        }
    }

    private void delete(String topic) throws Exception {
        try (Admin admin = Admin.create(properties())) {
            admin.deleteTopics(List.of(topic)).all().get();
            until(() -> !admin.listTopics().names().get().contains(topic));
        }
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void until(Condition condition) throws Exception {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (true) {
            try {
                if (condition.holds()) {
                    return;
                }
            } catch (ExecutionException exception) {
                if (!(exception.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw exception;
                }
            }
            if (System.nanoTime() > end) {
                throw new IllegalStateException("nothing came of it");
            }
            Thread.sleep(20);
        }
    }

    private void produce(TopicPartition partition, int count) throws Exception {
        Properties properties = properties();
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (int i = 0; i < count; i++) {
                String value = "record " + next++;
                producer.send(new ProducerRecord<>(partition.topic(), partition.partition(), null, value)).get();
            }
        }
    }

    /** Some fetches that bring nothing. */
    private void quiet() {
        for (int i = 0; i < 5; i++) {
            for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                say("unexpected: " + record);
            }
        }
    }

    private void see(String step, int count) {
        say("## " + step);
        Map<String, List<String>> seen = new TreeMap<>();
        long end = System.nanoTime() + DEADLINE.toNanos();
        int left = count;
        while (left > 0 && System.nanoTime() < end) {
            for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                String partition = record.topic() + "-" + record.partition();
                seen.computeIfAbsent(partition, key -> new ArrayList<>()).add(record.offset() + "=" + record.value());
                left--;
            }
        }
        seen.forEach((partition, records) -> say(partition + " " + String.join(", ", records)));
        if (left != 0) {
            throw new IllegalStateException(left + " records of " + count + " are missing: " + step);
        }
    }
}
