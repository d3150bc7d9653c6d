// Writes requests.txt: requests in every version that Kafka and the codec crate share, as Apache Kafka encodes them.
//
//   java -cp '<Kafka 4.3.1>/libs/*' Generate.java versions.txt > requests.txt
//
// versions.txt holds a line `key first last` for each request. Every field that a version has is set to a value that
// is not its default, tagged ones too, so that nothing is left out.

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

public class Generate {
    static final int ELEMENTS = 2;

    /** Makes values differ from each other. */
    static int counter;

    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] words = line.trim().split(" ");
            short key = Short.parseShort(words[0]);
            for (short version = Short.parseShort(words[1]); version <= Short.parseShort(words[2]); version++) {
                counter = 0;
                System.out.println(key + " " + version + " " + HexFormat.of().formatHex(frame(key, version)));
            }
        }
    }

    static byte[] frame(short key, short version) throws Exception {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        RequestHeaderData header = new RequestHeaderData();
        header.setRequestApiKey(key).setRequestApiVersion(version).setCorrelationId(7).setClientId("client");
        ApiMessage body = type.newRequest();
        fill(body, type.requestSchemas()[version]);
        byte[] first = bytes(header, type.requestHeaderVersion(version));
        byte[] second = bytes(body, version);
        return ByteBuffer.allocate(first.length + second.length).put(first).put(second).array();
    }

    static byte[] bytes(ApiMessage message, short version) {
        ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] bytes = new byte[written.remaining()];
        written.get(bytes);
        return bytes;
    }

    /** Sets all fields that the schema names. */
    static void fill(Object target, Schema schema) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (Field field : tagged.fields().values()) {
                    set(target, field);
                }
            } else {
                set(target, bound.def);
            }
        }
    }

    static void set(Object target, Field field) throws Exception {
        String name = "set" + field.name.replace("_", "");
        for (Method method : target.getClass().getDeclaredMethods()) {
            if (method.getName().equalsIgnoreCase(name)) {
                Class<?> type = method.getParameterTypes()[0];
                method.invoke(target, value(method.getGenericParameterTypes()[0], type, field.type));
                return;
            }
        }
        throw new IllegalStateException(target.getClass() + " has no " + name);
    }

    static Object value(java.lang.reflect.Type generic, Class<?> type, Type wire) throws Exception {
        if (wire.arrayElementType().isPresent()) {
            return elements(generic, type, wire.arrayElementType().get());
        }
        if (wire instanceof Schema schema) {
            Object struct = type.getDeclaredConstructor().newInstance();
            fill(struct, schema);
            return struct;
        }
        return scalar(type);
    }

    @SuppressWarnings("unchecked")
    static Object elements(java.lang.reflect.Type generic, Class<?> type, Type wire) throws Exception {
        boolean isList = type == List.class;
        Object empty = isList ? new ArrayList<>() : type.getDeclaredConstructor().newInstance();
        Collection<Object> all = (Collection<Object>) empty;
        java.lang.reflect.Type parameterized = isList ? generic : type.getGenericSuperclass();
        Class<?> element = (Class<?>) ((ParameterizedType) parameterized).getActualTypeArguments()[0];
        for (int index = 0; index < ELEMENTS; index++) {
            all.add(value(element, element, wire));
        }
        return all;
    }

    static Object scalar(Class<?> type) {
        counter++;
        if (type == boolean.class || type == Boolean.class) return counter % 2 == 0;
        if (type == byte.class || type == Byte.class) return (byte) counter;
        if (type == short.class || type == Short.class) return (short) counter;
        if (type == int.class || type == Integer.class) return counter;
        if (type == long.class || type == Long.class) return (long) counter;
        if (type == double.class || type == Double.class) return (double) counter;
        if (type == String.class) return "string-" + counter;
        if (type == Uuid.class) return new Uuid(counter, counter);
        if (type == byte[].class) return new byte[] {(byte) counter, 2, 3};
        if (type == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {(byte) counter, 2});
        if (type == BaseRecords.class) return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}));
        throw new IllegalStateException("no value for " + type);
    }
}
