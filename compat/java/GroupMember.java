import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.BiConsumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * usage: GroupMember BOOTSTRAP GROUP TOPIC classic|consumer [SETTING=VALUE..], until its standard input ends.
 *
 * <p>The contract of compat/src/scenario/group_members.rs. It runs with the jars of old versions of the client too.
 */
public final class GroupMember {
    private static volatile boolean closing = false;

    private GroupMember() {}

    public static void main(String[] args) {
        run(args, (consumer, listener) -> consumer.subscribe(List.of(args[2]), listener));
    }

    /** Everything, for who subscribes in another way. */
    static void run(String[] args, BiConsumer<KafkaConsumer<byte[], byte[]>, ConsumerRebalanceListener> subscribe) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", args[1]);
        properties.put("group.protocol", args[3]);
        if (args[3].equals("classic")) {
            properties.put("session.timeout.ms", "6000");
            properties.put("heartbeat.interval.ms", "500");
        }
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        for (String setting : List.of(args).subList(4, args.length)) {
            properties.put(setting.split("=")[0], setting.split("=")[1]);
        }
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
            closeAtEndOfInput(consumer);
            subscribe.accept(consumer, new Listener());
            while (!closing) {
                consume(consumer);
            }
        }
        say("left", "");
    }

    private static void closeAtEndOfInput(KafkaConsumer<?, ?> consumer) {
        Thread waiting = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // Nothing is ever said there.
                }
            } catch (IOException error) {
                // As good as its end.
            }
            closing = true;
            consumer.wakeup();
        });
        waiting.setDaemon(true);
        waiting.start();
    }

    private static void consume(KafkaConsumer<byte[], byte[]> consumer) {
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        try {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
            for (ConsumerRecord<byte[], byte[]> record : records) {
                say("record", record.partition() + " " + record.offset());
                next.put(
                        new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
            }
            if (!next.isEmpty()) {
                consumer.commitSync(next);
                next.forEach((at, offset) -> say("committed", at.partition() + " " + offset.offset()));
            }
        } catch (WakeupException wakeup) {
            // It is closing.
        } catch (KafkaException error) {
            // Another generation, or a broker that is away: the client goes on by itself.
            System.err.println(error);
            // Another one has its name: of this it knows nothing to do.
            closing |= error.getClass().getSimpleName().endsWith("InstanceIdException");
        }
    }

    private static synchronized void say(String word, String rest) {
        System.out.println(System.currentTimeMillis() + " " + word + " " + rest);
        System.out.flush();
    }

    private static final class Listener implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            say("assigned", words(partitions));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            say("revoked", words(partitions));
        }

        private static String words(Collection<TopicPartition> partitions) {
            return String.join(" ", partitions.stream().map(at -> String.valueOf(at.partition())).toList());
        }
    }
}
