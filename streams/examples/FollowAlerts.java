import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints alarms as they ring: java -cp 'libs/*' FollowAlerts.java [SERVERS] [PREFIX] [GROUP] */
public class FollowAlerts {
    public static void main(String[] given) {
        String servers = given.length > 0 ? given[0] : "127.0.0.1:9092";
        String prefix = given.length > 1 ? given[1] : "tocsin";
        String group = given.length > 2 ? given[2] : "follow-alerts";

        Properties settings = new Properties();
        settings.put("bootstrap.servers", servers);
        settings.put("group.id", group); // where it was ended, the next one of the group goes on
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed"); // the default shows what was aborted

        try (var consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(prefix + ".alerts"));
            while (true) {
                for (ConsumerRecord<String, String> alert : consumer.poll(Duration.ofSeconds(1))) {
                    // An alert is a CloudEvent: what it is about stands in headers, the value is JSON.
                    System.out.printf(
                            "%s %s %s %s %d bytes%n",
                            header(alert, "ce_time"),
                            header(alert, "ce_type"),
                            header(alert, "ce_subject"),
                            header(alert, "ce_id"),
                            alert.value().length());
                }
                consumer.commitSync(); // after the work: what was not handled comes again
            }
        }
    }

    private static String header(ConsumerRecord<?, ?> record, String name) {
        var header = record.headers().lastHeader(name);
        return header == null ? "-" : new String(header.value(), StandardCharsets.UTF_8);
    }
}
