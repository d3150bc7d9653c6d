import org.apache.kafka.clients.consumer.SubscriptionPattern;

/**
 * usage: PatternMember BOOTSTRAP GROUP PATTERN consumer [SETTING=VALUE..], until its standard input ends: as
 * GroupMember, with a regular expression that the broker resolves.
 */
public final class PatternMember {
    private PatternMember() {}

    public static void main(String[] args) {
        GroupMember.run(args, (consumer, listener) -> consumer.subscribe(new SubscriptionPattern(args[2]), listener));
    }
}
