import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.tests.RelationalSmokeTest;
import org.apache.kafka.streams.tests.SmokeTestDriver;

/**
 * usage: SmokeDriver BOOTSTRAP smoke KEYS RECORDS_PER_KEY SECONDS GUARANTEE, or
 *        SmokeDriver BOOTSTRAP relational ARTICLES COMMENTS SECONDS
 *
 * <p>The drivers of Kafka Streams' own two smoke tests, in any size: their programs know one size only. They send for
 * so many seconds, then read what came out until it is right. Exits with 0 if it is.
 */
public final class SmokeDriver {
    private static final Duration VERIFICATION = Duration.ofMinutes(5);
    /** The application, and so the group, of the instances of the smoke test, and what they read at first. */
    private static final String APPLICATION = "SmokeTest";
    private static final String SOURCE = "data";
    /** Nothing may be written for so long: three times what the instances take for a transaction. */
    private static final Duration QUIET = Duration.ofSeconds(3);
    private static final Duration POLL = Duration.ofMillis(100);

    public static void main(String[] args) throws InterruptedException, ExecutionException {
        String bootstrap = args[0];
        int many = Integer.parseInt(args[2]);
        int each = Integer.parseInt(args[3]);
        Duration time = Duration.ofSeconds(Long.parseLong(args[4]));
        boolean passed = args[1].equals("smoke")
                ? smoke(bootstrap, many, each, time, args[5].equals("exactly_once_v2"))
                : relational(bootstrap, many, each, time);
        System.exit(passed ? 0 : 1);
    }

    /** The test itself says SUCCESS too if all that was sent came back as it was. */
    private static boolean smoke(String bootstrap, int keys, int records, Duration time, boolean exactlyOnce)
            throws InterruptedException, ExecutionException {
        Map<String, Set<Integer>> sent = SmokeTestDriver.generate(bootstrap, keys, records, time);
        System.out.println("everything is sent");
        waitUntilAllIsProcessed(bootstrap);
        return SmokeTestDriver.verify(bootstrap, sent, records, exactlyOnce).passed();
    }

    private static boolean relational(String bootstrap, int articles, int comments, Duration time)
            throws InterruptedException {
        RelationalSmokeTest.DataSet.generate(articles, comments).produce(bootstrap, time);
        System.out.println("everything is sent");
        return RelationalSmokeTest.App.verifySync(bootstrap, Instant.now().plus(VERIFICATION));
    }

    /**
     * Waits until the instances have committed all of the source and nobody writes any more.
     *
     * <p>The test asks for the end of what is committed after the end of what is written, once a second, and takes it
     * for a fault when the former is larger: so a transaction that ends between the two questions fails it, on any
     * broker (SmokeTestDriver.verifyAllTransactionFinished of Kafka 4.3.1). It may not be asked before all has ended.
     */
    private static void waitUntilAllIsProcessed(String bootstrap) throws InterruptedException, ExecutionException {
        Instant deadline = Instant.now().plus(VERIFICATION);
        try (Admin admin = Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap))) {
            Map<TopicPartition, Long> ends = Map.of();
            Instant since = Instant.now();
            while (Instant.now().isBefore(since.plus(QUIET))) {
                if (Instant.now().isAfter(deadline)) {
                    throw new IllegalStateException("they still write: " + ends);
                }
                Map<TopicPartition, OffsetSpec> asked = latestOfAll(admin);
                Map<TopicPartition, Long> now = ends(admin, asked, IsolationLevel.READ_UNCOMMITTED);
                boolean open = !now.equals(ends(admin, asked, IsolationLevel.READ_COMMITTED));
                if (open || !now.equals(ends) || !isRead(admin, now)) {
                    since = Instant.now();
                }
                ends = now;
                Thread.sleep(POLL.toMillis());
            }
        }
        System.out.println("everything is processed");
    }

    private static Map<TopicPartition, OffsetSpec> latestOfAll(Admin admin)
            throws InterruptedException, ExecutionException {
        Collection<TopicDescription> topics =
                admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get().values();
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (TopicDescription topic : topics) {
            topic.partitions().forEach(partition ->
                    asked.put(new TopicPartition(topic.name(), partition.partition()), OffsetSpec.latest()));
        }
        return asked;
    }

    private static Map<TopicPartition, Long> ends(
            Admin admin, Map<TopicPartition, OffsetSpec> asked, IsolationLevel isolation)
            throws InterruptedException, ExecutionException {
        Map<TopicPartition, Long> ends = new HashMap<>();
        for (Map.Entry<TopicPartition, ListOffsetsResultInfo> end :
                admin.listOffsets(asked, new ListOffsetsOptions(isolation)).all().get().entrySet()) {
            ends.put(end.getKey(), end.getValue().offset());
        }
        return ends;
    }

    private static boolean isRead(Admin admin, Map<TopicPartition, Long> ends)
            throws InterruptedException, ExecutionException {
        Map<TopicPartition, OffsetAndMetadata> read =
                admin.listConsumerGroupOffsets(APPLICATION).partitionsToOffsetAndMetadata().get();
        List<TopicPartition> source =
                ends.keySet().stream().filter(partition -> partition.topic().equals(SOURCE)).toList();
        return source.stream().allMatch(partition -> {
            OffsetAndMetadata committed = read.get(partition);
            return ends.get(partition) == 0 || (committed != null && committed.offset() == ends.get(partition));
        });
    }
}
