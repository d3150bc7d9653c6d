import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * usage: BankTeller BOOTSTRAP NUMBER LIFE classic|consumer COMMANDS_MAX ABORTED_ONE_IN, until its standard input ends
 *
 * <p>The contract of compat/src/scenario/bank.rs.
 */
public final class BankTeller implements ConsumerRebalanceListener {
    private static final int TELLERS = 8;
    private static final int LEDGER_PARTITIONS = 4;
    private static final long OPENING_BALANCE = 1_000;
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration CLOSE = Duration.ofSeconds(1);

    private static volatile boolean closing = false;

    private final String life;
    private final int abortedOneIn;
    private final Random random;
    private final KafkaConsumer<String, String> commands;
    /** Reads what was committed. */
    private final KafkaConsumer<String, String> ledger;
    /** Is asked where the ledger ends, open transactions and all. */
    private final KafkaConsumer<String, String> uncommitted;
    private final KafkaProducer<String, String> producer;
    private final Map<Integer, Long> balances = new HashMap<>();
    /** Partitions of which no other teller can have moved money since the ledger was read. */
    private final Set<TopicPartition> current = new HashSet<>();
    private long transactions = 0;

    private BankTeller(String[] args) {
        String bootstrap = args[0];
        life = args[1] + "." + args[2];
        abortedOneIn = Integer.parseInt(args[5]);
        random = new Random(life.hashCode());
        commands = commands(bootstrap, args[3], args[4]);
        ledger = consumer(bootstrap, "read_committed");
        uncommitted = consumer(bootstrap, "read_uncommitted");
        ledger.assign(ledgerPartitions());
        ledger.seekToBeginning(ledgerPartitions());
        producer = producer(bootstrap, "teller-" + args[1]);
    }

    public static void main(String[] args) {
        Thread waiting = new Thread(BankTeller::closeAtEndOfInput);
        waiting.setDaemon(true);
        waiting.start();
        BankTeller teller = new BankTeller(args);
        int status = 0;
        try {
            teller.producer.initTransactions();
            teller.commands.subscribe(List.of("commands"), teller);
            while (!closing) {
                teller.work();
            }
        } catch (KafkaException error) {
            // Its next life finds out what became of the transaction.
            error.printStackTrace();
            status = 1;
        }
        teller.close();
        System.exit(status);
    }

    private void work() {
        ConsumerRecords<String, String> records = commands.poll(POLL);
        if (records.isEmpty()) {
            return;
        }
        if (!current.containsAll(records.partitions())) {
            readLedger();
            current.addAll(records.partitions());
        }
        ConsumerGroupMetadata membership = commands.groupMetadata();
        String transaction = life + "." + transactions++;
        Map<Integer, Long> moved = new HashMap<>();
        producer.beginTransaction();
        try {
            for (ConsumerRecord<String, String> record : records) {
                move(transaction, 2 * records.count(), record.value().split(" "), moved);
            }
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            for (TopicPartition partition : records.partitions()) {
                long last = records.records(partition).get(records.records(partition).size() - 1).offset();
                next.put(partition, new OffsetAndMetadata(last + 1));
            }
            producer.sendOffsetsToTransaction(next, membership);
            if (random.nextInt(abortedOneIn) == 0) {
                abort(transaction, records);
                return;
            }
            producer.commitTransaction();
        } catch (ProducerFencedException | OutOfOrderSequenceException | TimeoutException error) {
            // Fenced, or nobody knows whether it was committed.
            throw error;
        } catch (KafkaException error) {
            System.err.println(transaction + ": " + error);
            abort(transaction, records);
            return;
        }
        balances.putAll(moved);
        say("committed", transaction);
    }

    /** Debit and credit, of nothing if the account holds too little. */
    private void move(String transaction, int size, String[] words, Map<Integer, Long> moved) {
        int from = Integer.parseInt(words[1]);
        int to = Integer.parseInt(words[2]);
        long asked = Long.parseLong(words[3]);
        long amount = balance(from, moved) >= asked ? asked : 0;
        write(transaction + " " + size + " " + words[0], from, -amount, moved);
        write(transaction + " " + size + " " + words[0], to, amount, moved);
    }

    private long balance(int account, Map<Integer, Long> moved) {
        return moved.getOrDefault(account, balances.getOrDefault(account, OPENING_BALANCE));
    }

    private void write(String head, int account, long change, Map<Integer, Long> moved) {
        long balance = balance(account, moved) + change;
        moved.put(account, balance);
        String entry = head + " " + account + " " + change + " " + balance;
        producer.send(new ProducerRecord<>("ledger", account / TELLERS % LEDGER_PARTITIONS, null, entry));
    }

    private void abort(String transaction, ConsumerRecords<String, String> records) {
        producer.abortTransaction();
        for (TopicPartition partition : records.partitions()) {
            if (commands.assignment().contains(partition)) {
                commands.seek(partition, records.records(partition).get(0).offset());
            }
        }
        say("aborted", transaction);
    }

    /** Up to where it ends now, beyond every transaction that is open now. */
    private void readLedger() {
        Map<TopicPartition, Long> ends = uncommitted.endOffsets(ledgerPartitions());
        while (ends.entrySet().stream().anyMatch(end -> ledger.position(end.getKey()) < end.getValue())) {
            for (ConsumerRecord<String, String> record : ledger.poll(POLL)) {
                String[] words = record.value().split(" ");
                balances.put(Integer.parseInt(words[3]), Long.parseLong(words[5]));
            }
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        current.removeAll(partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        current.removeAll(partitions);
    }

    private void close() {
        List.of(commands, ledger, uncommitted).forEach(consumer -> consumer.close(CloseOptions.timeout(CLOSE)));
        producer.close(Duration.ZERO);
    }

    private static List<TopicPartition> ledgerPartitions() {
        return IntStream.range(0, LEDGER_PARTITIONS).mapToObj(at -> new TopicPartition("ledger", at)).toList();
    }

    private static Properties settings(String bootstrap, String isolation) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("isolation.level", isolation);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        return settings;
    }

    private static KafkaConsumer<String, String> consumer(String bootstrap, String isolation) {
        return new KafkaConsumer<>(settings(bootstrap, isolation));
    }

    private static KafkaConsumer<String, String> commands(String bootstrap, String protocol, String commandsMax) {
        Properties settings = settings(bootstrap, "read_committed");
        settings.put("group.id", "tellers");
        settings.put("group.protocol", protocol);
        if (protocol.equals("classic")) {
            // The newer protocol leaves these to the broker.
            settings.put("session.timeout.ms", "3000");
            settings.put("heartbeat.interval.ms", "300");
        }
        settings.put("max.poll.records", commandsMax);
        return new KafkaConsumer<>(settings);
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String transactionalId) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", transactionalId);
        settings.put("transaction.timeout.ms", "3000");
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        return new KafkaProducer<>(settings);
    }

    private static void closeAtEndOfInput() {
        try {
            while (System.in.read() >= 0) {
                // Nothing is ever said there.
            }
        } catch (IOException error) {
            // As good as its end.
        }
        closing = true;
    }

    private static void say(String word, String transaction) {
        System.out.println(word + " " + transaction);
        System.out.flush();
    }
}
