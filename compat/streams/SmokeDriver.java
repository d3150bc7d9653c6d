import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
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

    public static void main(String[] args) throws InterruptedException {
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
    private static boolean smoke(String bootstrap, int keys, int records, Duration time, boolean exactlyOnce) {
        Map<String, Set<Integer>> sent = SmokeTestDriver.generate(bootstrap, keys, records, time);
        System.out.println("everything is sent");
        return SmokeTestDriver.verify(bootstrap, sent, records, exactlyOnce).passed();
    }

    private static boolean relational(String bootstrap, int articles, int comments, Duration time)
            throws InterruptedException {
        RelationalSmokeTest.DataSet.generate(articles, comments).produce(bootstrap, time);
        System.out.println("everything is sent");
        return RelationalSmokeTest.App.verifySync(bootstrap, Instant.now().plus(VERIFICATION));
    }
}
