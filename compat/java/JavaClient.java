import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * usage: JavaClient --bootstrap-server HOST:PORT [settle]
 *
 * <p>The Java clients against a broker: says what it sees, the same in every run. Apache Kafka may answer a creation
 * before its broker knows the topic: {@code settle} waits for that; without it a created topic must be there at once.
 */
public final class JavaClient {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final long START_MS = 1_700_000_000_000L;
    private static final List<TopicPartition> PARTITIONS =
            List.of(new TopicPartition("java", 0), new TopicPartition("java", 1));

    private final Properties properties = new Properties();

    private final boolean settle;

    private JavaClient(String bootstrap, boolean settle) {
        this.settle = settle;
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        properties.put("enable.auto.commit", "false");
    }

    public static void main(String[] args) throws Exception {
        JavaClient client = new JavaClient(args[1], args.length > 2);
        try (Admin admin = Admin.create(client.properties)) {
            Uuid id = client.create(admin);
            client.produce();
            client.consume();
            client.offsets(admin);
            client.delete(admin, id);
        }
    }

    private static void say(String format, Object... arguments) {
        System.out.println(String.format(format, arguments));
    }

    private TopicDescription describe(Admin admin, String topic) throws Exception {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (true) {
            try {
                return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            } catch (ExecutionException error) {
                if (!settle || System.nanoTime() > deadline) {
                    throw error;
                }
            }
        }
    }

    private Uuid create(Admin admin) throws Exception {
        say("## admin");
        say("nodes %d", admin.describeCluster().nodes().get().size());
        List<NewTopic> topics = List.of(
                new NewTopic("java", 2, (short) 1).configs(Map.of("message.timestamp.type", "CreateTime")),
                new NewTopic("stamped", 1, (short) -1).configs(Map.of("message.timestamp.type", "LogAppendTime")));
        admin.createTopics(topics).all().get();
        TopicDescription described = describe(admin, "java");
        describe(admin, "stamped");
        say("topics %s", new TreeSet<>(admin.listTopics().names().get()));
        say("partitions %d, leader %d, internal %s", described.partitions().size(),
                described.partitions().get(0).leader().id(), described.isInternal());
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "stamped");
        admin.describeConfigs(List.of(resource)).all().get().get(resource).entries().stream()
                .filter(entry -> !entry.isDefault() && entry.source().name().startsWith("DYNAMIC_TOPIC"))
                .forEach(entry -> say("config %s=%s", entry.name(), entry.value()));
        say("zero id: %s", described.topicId().equals(Uuid.ZERO_UUID));
        return described.topicId();
    }

    private void produce() throws Exception {
        say("## idempotent producer, the default one");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (int number = 0; number < 20; number++) {
                ProducerRecord<String, String> record = new ProducerRecord<>(
                        "java", number % 2, START_MS + number, "key " + number, number == 4 ? null : "value " + number);
                record.headers().add("number", Integer.toString(number).getBytes(StandardCharsets.UTF_8));
                record.headers().add("number", null);
                sent.add(producer.send(record));
            }
            for (Future<RecordMetadata> future : sent) {
                RecordMetadata metadata = future.get();
                say("%s at %d, time %d", metadata, metadata.offset(), metadata.timestamp() - START_MS);
            }
            long before = System.currentTimeMillis();
            RecordMetadata stamped =
                    producer.send(new ProducerRecord<>("stamped", 0, START_MS, "key", "value")).get();
            boolean now = stamped.timestamp() >= before && stamped.timestamp() <= System.currentTimeMillis();
            say("stamped by the broker: %s", now);
            say("partitions of java: %d", producer.partitionsFor("java").size());
        }
    }

    private void consume() {
        say("## consumer by assignment");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            say("beginning %s", new TreeMap<>(byPartition(consumer.beginningOffsets(PARTITIONS))));
            say("end %s", new TreeMap<>(byPartition(consumer.endOffsets(PARTITIONS))));
            say("by time %s", consumer.offsetsForTimes(Map.of(PARTITIONS.get(0), START_MS + 5, PARTITIONS.get(1), START_MS)));
            consumer.assign(PARTITIONS);
            consumer.seekToBeginning(PARTITIONS.subList(0, 1));
            consumer.seek(PARTITIONS.get(1), 8);
            List<ConsumerRecord<String, String>> seen = new ArrayList<>();
            long deadline = System.nanoTime() + TIMEOUT.toNanos();
            while (seen.size() < 12 && System.nanoTime() < deadline) {
                consumer.poll(Duration.ofMillis(100)).forEach(seen::add);
            }
            seen.sort(Comparator.<ConsumerRecord<String, String>>comparingInt(ConsumerRecord::partition)
                    .thenComparingLong(ConsumerRecord::offset));
            for (ConsumerRecord<String, String> record : seen) {
                StringBuilder headers = new StringBuilder();
                for (Header header : record.headers()) {
                    headers.append(header.key()).append('=').append(
                            header.value() == null ? "null" : new String(header.value(), StandardCharsets.UTF_8)).append(' ');
                }
                say("%d %d %s %s %d %s leader epoch known: %s", record.partition(), record.offset(), record.key(),
                        record.value(), record.timestamp() - START_MS, headers, record.leaderEpoch().isPresent());
            }
        }
    }

    private static Map<Integer, Long> byPartition(Map<TopicPartition, Long> offsets) {
        Map<Integer, Long> found = new TreeMap<>();
        offsets.forEach((partition, offset) -> found.put(partition.partition(), offset));
        return found;
    }

    private void offsets(Admin admin) throws Exception {
        say("## offsets through the admin client");
        Map<String, OffsetSpec> specs = new TreeMap<>(Map.of("earliest", OffsetSpec.earliest(), "latest",
                OffsetSpec.latest(), "max timestamp", OffsetSpec.maxTimestamp(), "by time",
                OffsetSpec.forTimestamp(START_MS + 7), "earliest local", OffsetSpec.earliestLocal()));
        for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
            ListOffsetsResultInfo found = admin.listOffsets(Map.of(PARTITIONS.get(0), spec.getValue()))
                    .partitionResult(PARTITIONS.get(0)).get();
            say("%s: %d", spec.getKey(), found.offset());
        }
    }

    private void delete(Admin admin, Uuid id) throws Exception {
        say("## delete");
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        say("topics %s", new TreeSet<>(admin.listTopics().names().get()));
        admin.createTopics(List.of(new NewTopic("java", 1, (short) 1))).all().get();
        TopicDescription again = describe(admin, "java");
        say("another id: %s", !again.topicId().equals(id));
        try {
            admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        } catch (ExecutionException error) {
            say("the old id: %s", error.getCause().getClass().getSimpleName());
        }
    }
}
