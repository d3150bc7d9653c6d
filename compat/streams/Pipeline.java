import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.KStream;

/**
 * Source, two parallel transformations, sink: each reading takes effect exactly once, whoever dies meanwhile.
 *
 * <pre>
 *                             +-- convert, instance 1..n --> converted --+
 *   source --> readings ------+                                          +--> sink
 *                             +-- count,   instance 1..n --> counted ----+
 * </pre>
 *
 * <p>Parallel by task: {@code convert} and {@code count} are applications of their own, so each reads all of the
 * readings. Parallel by data: an application's instances share the partitions; start another and it takes its part,
 * kill one and the others take over. What an instance writes, the state it keeps and how far it has read are one
 * transaction, so the two are exactly once without a line of code for it.
 *
 * <pre>
 *   Pipeline BOOTSTRAP source FIRST COUNT            sends the readings FIRST, FIRST + 1, ...
 *   Pipeline BOOTSTRAP convert STATE_DIR MICROS      one instance; MICROS is what a reading takes besides,
 *   Pipeline BOOTSTRAP count STATE_DIR MICROS        as if another system were asked (0: nothing)
 *   Pipeline BOOTSTRAP sink                          prints TOPIC PARTITION SENSOR VALUE for each result
 * </pre>
 *
 * The topics {@code readings}, {@code converted} and {@code counted} must be there, with as many partitions as
 * instances shall work at once.
 */
public final class Pipeline {
    /** They spread evenly over 1, 2 or 4 partitions. */
    private static final int SENSORS = 64;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        switch (args[1]) {
            case "source" -> source(bootstrap, Long.parseLong(args[2]), Long.parseLong(args[3]));
            case "convert", "count" -> transform(bootstrap, args[1], Path.of(args[2]), Long.parseLong(args[3]));
            case "sink" -> sink(bootstrap);
            default -> throw new IllegalArgumentException(args[1]);
        }
    }

    /** The producer is idempotent, as all are by default: a reading that is sent again is not there twice. */
    private static void source(String bootstrap, long first, long count) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "linger.ms", 5);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new LongSerializer())) {
            int partitions = producer.partitionsFor("readings").size();
            for (long reading = first; reading < first + count; reading++) {
                int sensor = (int) (reading % SENSORS);
                // One sensor, one partition: its readings stay in order.
                producer.send(new ProducerRecord<>("readings", sensor % partitions, "sensor-" + sensor, reading));
            }
        }
    }

    /** One instance of one of the two applications, until it is told to end. */
    private static void transform(String bootstrap, String task, Path stateDir, long micros) throws Exception {
        Properties settings = new Properties();
        // Instances with the same id share the work.
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, task);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, stateDir.toString());
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.LongSerde.class);
        // Tell every count, not only the last of each transaction.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        // Results are on their way at once, and not only when a transaction ends (every 100 ms).
        settings.put(StreamsConfig.producerPrefix("linger.ms"), 5);
        // An instance that was killed is missed after so long.
        settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6_000);

        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Long> readings = builder.stream("readings");
        KStream<String, Long> asked = readings.peek((sensor, reading) -> askElsewhere(micros));
        if (task.equals("convert")) {
            asked.mapValues(Pipeline::fahrenheit).to("converted");
        } else {
            asked.groupByKey().count().toStream().to("counted");
        }

        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch running = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                running.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        running.await();
        System.out.println("running");
    }

    /** Thousandths of a degree. */
    private static long fahrenheit(long celsius) {
        return celsius * 9 / 5 + 32_000;
    }

    private static void askElsewhere(long micros) {
        long end = System.nanoTime() + TimeUnit.MICROSECONDS.toNanos(micros);
        for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    /** Sees committed results only. */
    private static void sink(String bootstrap) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap,
                "group.id", "sink",
                "auto.offset.reset", "earliest",
                "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new LongDeserializer())) {
            consumer.subscribe(List.of("converted", "counted"));
            while (true) {
                StringBuilder lines = new StringBuilder();
                for (ConsumerRecord<String, Long> result : consumer.poll(Duration.ofSeconds(1))) {
                    lines.append(result.topic()).append(' ').append(result.partition()).append(' ');
                    lines.append(result.key()).append(' ').append(result.value()).append('\n');
                }
                System.out.print(lines);
                System.out.flush();
            }
        }
    }
}
