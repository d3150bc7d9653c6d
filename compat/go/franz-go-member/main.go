// Command franz-go-member BOOTSTRAP GROUP TOPIC is a member of a group until its input ends.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"

	"compat/member"
)

func main() {
	topic := os.Args[3]
	told := func(word string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			member.Say(word, member.Partitions(partitions[topic])...)
		}
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumerGroup(os.Args[2]),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(member.SessionTimeout),
		kgo.HeartbeatInterval(member.HeartbeatInterval),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(told("assigned")),
		kgo.OnPartitionsRevoked(told("revoked")),
		kgo.OnPartitionsLost(told("revoked")),
	)
	if err != nil {
		panic(err)
	}
	ctx := member.UntilEndOfInput()
	for ctx.Err() == nil {
		consume(ctx, client)
	}
	client.CloseAllowingRebalance()
	member.Say("left")
}

func consume(ctx context.Context, client *kgo.Client) {
	// What is polled is committed before partitions may move.
	defer client.AllowRebalance()
	next := map[int32]int64{}
	client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
		member.Say("record", record.Partition, record.Offset)
		next[record.Partition] = record.Offset + 1
	})
	if len(next) == 0 {
		return
	}
	if err := client.CommitUncommittedOffsets(context.Background()); err != nil {
		// Another generation, or a broker that is away: the client goes on by itself.
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for partition, offset := range next {
		member.Say("committed", partition, offset)
	}
}
