import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Loads every class of the class path, so that the virtual machine can keep them in an archive
 * (-XX:ArchiveClassesAtExit) from which the next programs start in half the time. Asks nobody anything.
 */
public final class ClassData {
    private ClassData() {
    }

    public static void main(String[] arguments) throws Exception {
        for (String entry : System.getProperty("java.class.path").split(System.getProperty("path.separator"))) {
            try (JarFile jar = new JarFile(Path.of(entry).toFile())) {
                for (JarEntry member : Collections.list(jar.entries())) {
                    load(member.getName());
                }
            }
        }
        // What of the virtual machine's own classes a client needs.
        Map<String, Object> nobody = Map.of("bootstrap.servers", "127.0.0.1:1");
        Admin.create(nobody).close(Duration.ZERO);
        new KafkaProducer<>(nobody, new StringSerializer(), new StringSerializer()).close(Duration.ZERO);
        new KafkaConsumer<>(nobody, new StringDeserializer(), new StringDeserializer()).close();
    }

    private static void load(String member) {
        if (!member.endsWith(".class") || member.startsWith("META-INF/")) {
            return;
        }
        String name = member.substring(0, member.length() - ".class".length()).replace('/', '.');
        try {
            Class.forName(name, false, ClassData.class.getClassLoader());
        } catch (ClassNotFoundException | LinkageError missing) {
            // It stands on something optional that is not there; then nobody needs it either.
        }
    }
}
