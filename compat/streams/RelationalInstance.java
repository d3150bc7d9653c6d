import java.util.Properties;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.tests.RelationalSmokeTest;

/**
 * usage: RelationalInstance BOOTSTRAP ID GUARANTEE STATE_DIR
 *
 * <p>One instance of the relational smoke test's application. The test's own program gives each instance an
 * application id of its own, so that each does all the work, and waits 45 s for one that was killed; here they share
 * the work and take over from each other soon.
 */
public final class RelationalInstance {
    private static final String APPLICATION = "relational";

    public static void main(String[] args) {
        Properties settings =
                RelationalSmokeTest.App.getConfig(args[0], APPLICATION, args[1], args[2], "classic", args[3]);
        settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6_000);
        KafkaStreams streams = new KafkaStreams(RelationalSmokeTest.App.getTopology(), settings);
        streams.setStateListener((now, before) -> System.out.println(before + " -> " + now));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
