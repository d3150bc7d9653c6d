// Writes what Apache Kafka's own classes say about the protocol: requests.txt, replies.txt and schemas.txt.
//
//   java -cp '<Kafka 4.3.1>/*' Generate.java versions.txt FOLDER          (make oracle ARGS=golden)
//
// versions.txt holds a line `key first last` for each API key: the versions that Kafka and the codec crate share.
//
// requests.txt, replies.txt: a line `key version flavor hex` for each frame, header and body:
//   full     every field that the version has is set to a value that is not its default, tagged ones too, and
//            arrays have two elements
//   bare     every field has the default of Kafka's class
//   null     null wherever the version has it, defaults elsewhere, and one element in arrays that cannot be null
//   unknown  as full, one element each, and two tagged fields that nobody knows in the header of a request and in
//            every struct
//   none, gzip, snappy, lz4, zstd   Produce: one batch of three records
//   served   Fetch: as full, without what only KRaft's own nodes are told
// A frame that an earlier flavor has already is left out.
//
// schemas.txt: a line `request|reply key first last flexible fields` for each run of versions with the same schema,
// in the language of the guard's layout lines, with names: fields are `name:type`, tagged ones `@tag name:type`.
// Types: z boolean, b h i l 1 to 8 bytes, q n unsigned 2 and 4 bytes, f float64, u uuid, s string, d bytes,
// r records, `?` may be null, `*t` and `[fields]` arrays, `{fields}` a struct.

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.ArrayOf;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

public class Generate {
    static final short PRODUCE = 0;
    static final short FETCH = 1;
    static final int CORRELATION_ID = 7;
    /** One byte and three bytes as a variable-length number; above all tags that Kafka has. */
    static final int[] UNKNOWN_TAGS = {100, 20_000};
    /** What a broker never tells a consumer. */
    static final String SNAPSHOT_ID = "snapshot_id";

    public static void main(String[] args) throws Exception {
        StringBuilder requests = new StringBuilder();
        StringBuilder replies = new StringBuilder();
        StringBuilder schemas = new StringBuilder();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] words = line.trim().split(" ");
            short key = Short.parseShort(words[0]);
            short first = Short.parseShort(words[1]);
            short last = Short.parseShort(words[2]);
            for (short version = first; version <= last; version++) {
                frames(requests, key, version, true);
                frames(replies, key, version, false);
            }
            schemas(schemas, key, first, last, true);
            schemas(schemas, key, first, last, false);
        }
        Path folder = Path.of(args[1]);
        Files.writeString(folder.resolve("requests.txt"), requests);
        Files.writeString(folder.resolve("replies.txt"), replies);
        Files.writeString(folder.resolve("schemas.txt"), schemas);
    }

    // Frames.

    static void frames(StringBuilder lines, short key, short version, boolean request) throws Exception {
        TreeSet<String> seen = new TreeSet<>();
        List<String> flavors = new ArrayList<>(List.of("full", "bare", "null"));
        if (flexible(schema(key, version, request))) flavors.add("unknown");
        if (key == FETCH && !request) flavors.add("served");
        for (String flavor : flavors) {
            add(lines, seen, key, version, flavor, frame(key, version, request, new Filler(flavor, version)));
        }
        if (key == PRODUCE && request) {
            for (CompressionType codec : CompressionType.values()) {
                add(lines, seen, key, version, codec.name, produce(version, codec));
            }
        }
    }

    static void add(StringBuilder lines, TreeSet<String> seen, short key, short version, String flavor, byte[] frame) {
        String hex = HexFormat.of().formatHex(frame);
        if (seen.add(hex)) {
            lines.append(key + " " + version + " " + flavor + " " + hex + "\n");
        }
    }

    static byte[] frame(short key, short version, boolean request, Filler filler) throws Exception {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        ApiMessage body = request ? type.newRequest() : type.newResponse();
        filler.fill(body, schema(key, version, request));
        return frame(key, version, request, filler.flavor, body);
    }

    static byte[] frame(short key, short version, boolean request, String flavor, ApiMessage body) {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        byte[] first;
        if (request) {
            RequestHeaderData header = new RequestHeaderData();
            header.setRequestApiKey(key).setRequestApiVersion(version).setCorrelationId(CORRELATION_ID);
            if (!flavor.equals("bare")) header.setClientId(flavor.equals("null") ? null : "client");
            if (flavor.equals("unknown")) addUnknown(header);
            first = bytes(header, type.requestHeaderVersion(version));
        } else {
            ResponseHeaderData header = new ResponseHeaderData().setCorrelationId(CORRELATION_ID);
            first = bytes(header, type.responseHeaderVersion(version));
        }
        byte[] second = bytes(body, version);
        return ByteBuffer.allocate(first.length + second.length).put(first).put(second).array();
    }

    static byte[] bytes(Message message, short version) {
        ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] bytes = new byte[written.remaining()];
        written.get(bytes);
        return bytes;
    }

    static void addUnknown(Message message) {
        for (int tag : UNKNOWN_TAGS) {
            message.unknownTaggedFields().add(new RawTaggedField(tag, new byte[tag % 7]));
        }
    }

    /** A Produce request of one batch, to partition 0 of a topic "topic" with the id 7. */
    static byte[] produce(short version, CompressionType codec) {
        List<SimpleRecord> records = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            Header[] headers = {new RecordHeader("header", new byte[number])};
            byte[] value = "value ".repeat(20 * number).getBytes(StandardCharsets.UTF_8);
            byte[] recordKey = ("key " + number).getBytes(StandardCharsets.UTF_8);
            records.add(new SimpleRecord(1_700_000_000_000L + number, recordKey, value, headers));
        }
        Compression compression = Compression.of(codec).build();
        MemoryRecords batch = MemoryRecords.withRecords(compression, records.toArray(new SimpleRecord[0]));
        ProduceRequestData.TopicProduceData topic = new ProduceRequestData.TopicProduceData();
        if (version >= 13) topic.setTopicId(new Uuid(0, 7)); else topic.setName("topic");
        topic.setPartitionData(List.of(new ProduceRequestData.PartitionProduceData().setIndex(0).setRecords(batch)));
        ProduceRequestData body = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(1000);
        body.topicData().add(topic);
        return frame(PRODUCE, version, true, codec.name, body);
    }

    /** Sets the fields of a message. */
    static final class Filler {
        final String flavor;
        final short version;
        /** Makes values differ from each other. */
        int counter;

        Filler(String flavor, short version) {
            this.flavor = flavor;
            this.version = version;
        }

        /** Sets all fields that the schema names. */
        void fill(Object target, Schema schema) throws Exception {
            if (flavor.equals("bare")) return;
            for (BoundField bound : schema.fields()) {
                if (bound.def.type instanceof TaggedFields tagged) {
                    for (Field field : tagged.fields().values()) {
                        if (!flavor.equals("served") || !field.name.equals(SNAPSHOT_ID)) set(target, field);
                    }
                    if (flavor.equals("unknown")) addUnknown((Message) target);
                } else {
                    set(target, bound.def);
                }
            }
        }

        void set(Object target, Field field) throws Exception {
            Method setter = setter(target, field);
            Class<?> type = setter.getParameterTypes()[0];
            Type wire = field.type;
            // What else has a default that can be written.
            boolean needed = wire.arrayElementType().isPresent() || wire instanceof Schema || isRecords(wire);
            if (flavor.equals("null") && nullable(target, field, version)) {
                setter.invoke(target, (Object) null);
            } else if (!flavor.equals("null") || needed) {
                setter.invoke(target, value(setter.getGenericParameterTypes()[0], type, field.type));
            }
        }

        Object value(java.lang.reflect.Type generic, Class<?> type, Type wire) throws Exception {
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
        Object elements(java.lang.reflect.Type generic, Class<?> type, Type wire) throws Exception {
            boolean isList = type == List.class;
            Object empty = isList ? new ArrayList<>() : type.getDeclaredConstructor().newInstance();
            Collection<Object> all = (Collection<Object>) empty;
            java.lang.reflect.Type parameterized = isList ? generic : type.getGenericSuperclass();
            Class<?> element = (Class<?>) ((ParameterizedType) parameterized).getActualTypeArguments()[0];
            int count = flavor.equals("full") || flavor.equals("served") ? 2 : 1;
            for (int index = 0; index < count; index++) {
                all.add(value(element, element, wire));
            }
            return all;
        }

        Object scalar(Class<?> type) {
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
            if (type == BaseRecords.class) {
                return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {(byte) counter, 2, 3, 4}));
            }
            throw new IllegalStateException("no value for " + type);
        }
    }

    static Method setter(Object target, Field field) {
        String name = "set" + field.name.replace("_", "");
        for (Method method : target.getClass().getDeclaredMethods()) {
            if (method.getName().equalsIgnoreCase(name)) return method;
        }
        throw new IllegalStateException(target.getClass() + " has no " + name);
    }

    // Schemas.

    static Schema schema(short key, short version, boolean request) {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        return (request ? type.requestSchemas() : type.responseSchemas())[version];
    }

    static boolean flexible(Schema schema) {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) return true;
        }
        return false;
    }

    static void schemas(StringBuilder lines, short key, short first, short last, boolean request) throws Exception {
        ApiMessageType type = ApiMessageType.fromApiKey(key);
        String line = "";
        short since = first;
        for (short version = first; version <= last + 1; version++) {
            String next = "";
            if (version <= last) {
                ApiMessage message = request ? type.newRequest() : type.newResponse();
                Schema schema = schema(key, version, request);
                String fields = fields(message.getClass(), schema, version);
                next = (flexible(schema) ? "flexible" : "plain") + (fields.isEmpty() ? "" : " " + fields);
            }
            if (!next.equals(line) && version > first) {
                String which = request ? "request" : "reply";
                lines.append(which + " " + key + " " + since + " " + (version - 1) + " " + line + "\n");
                since = version;
            }
            line = next;
        }
    }

    static String fields(Class<?> type, Schema schema, short version) throws Exception {
        boolean flexible = flexible(schema);
        List<String> fields = new ArrayList<>();
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (Map.Entry<Integer, Field> entry : tagged.fields().entrySet()) {
                    fields.add("@" + entry.getKey() + " " + field(type, entry.getValue(), version, flexible));
                }
            } else {
                fields.add(field(type, bound.def, version, flexible));
            }
        }
        return String.join(" ", fields);
    }

    static String field(Class<?> owner, Field field, short version, boolean flexible) throws Exception {
        Object target = owner.getDeclaredConstructor().newInstance();
        String nullable = nullable(target, field, version) ? "?" : "";
        Method setter = setter(target, field);
        return field.name + ":" + nullable + kind(setter.getGenericParameterTypes()[0], setter.getParameterTypes()[0],
            field.type, version, flexible);
    }

    static String kind(java.lang.reflect.Type generic, Class<?> type, Type wire, short version, boolean flexible)
        throws Exception {
        if (wire.arrayElementType().isPresent()) {
            if (flexible != wire instanceof CompactArrayOf) throw new IllegalStateException("lengths of " + type);
            Type inner = wire.arrayElementType().get();
            java.lang.reflect.Type parameterized = type == List.class ? generic : type.getGenericSuperclass();
            Class<?> element = (Class<?>) ((ParameterizedType) parameterized).getActualTypeArguments()[0];
            if (inner instanceof Schema schema) return "[" + fields(element, schema, version) + "]";
            return "*" + kind(element, element, inner, version, flexible);
        }
        if (wire instanceof Schema schema) return "{" + fields(type, schema, version) + "}";
        String name = wire.toString();
        boolean sized = name.endsWith("STRING") || name.endsWith("BYTES") || name.endsWith("RECORDS");
        if (sized && flexible != name.startsWith("COMPACT_")) throw new IllegalStateException("lengths of " + type);
        return switch (name.replace("COMPACT_", "").replace("NULLABLE_", "")) {
            case "BOOLEAN" -> "z";
            case "INT8" -> "b";
            case "INT16" -> "h";
            case "UINT16" -> "q";
            case "INT32" -> "i";
            case "UINT32" -> "n";
            case "INT64" -> "l";
            case "FLOAT64" -> "f";
            case "UUID" -> "u";
            case "STRING" -> "s";
            case "BYTES" -> "d";
            case "RECORDS" -> "r";
            default -> throw new IllegalStateException("no letter for " + name);
        };
    }

    /** Whether null is allowed. Schemas do not say it of structs and records: there the class is asked to write it. */
    static boolean nullable(Object target, Field field, short version) throws Exception {
        if (field.type instanceof ArrayOf array) return array.isNullable();
        if (field.type instanceof CompactArrayOf array) return array.isNullable();
        if (!(field.type instanceof Schema) && !isRecords(field.type)) return field.type.isNullable();
        Object probe = target.getClass().getDeclaredConstructor().newInstance();
        setter(probe, field).invoke(probe, (Object) null);
        try {
            bytes((Message) probe, version);
            return true;
        } catch (NullPointerException refused) {
            return false;
        }
    }

    static boolean isRecords(Type wire) {
        return wire == Type.RECORDS || wire == Type.COMPACT_RECORDS;
    }
}
