// Command sarama-member BOOTSTRAP GROUP TOPIC is a member of a group until its input ends.
package main

import (
	"fmt"
	"os"

	"github.com/IBM/sarama"

	"compat/member"
)

func main() {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = member.SessionTimeout
	config.Consumer.Group.Heartbeat.Interval = member.HeartbeatInterval
	group, err := sarama.NewConsumerGroup([]string{os.Args[1]}, os.Args[2], config)
	if err != nil {
		panic(err)
	}
	ctx := member.UntilEndOfInput()
	for ctx.Err() == nil {
		// Returns with each generation.
		if err := group.Consume(ctx, []string{os.Args[3]}, handler{topic: os.Args[3]}); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if err := group.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	member.Say("left")
}

type handler struct{ topic string }

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	member.Say("assigned", member.Partitions(session.Claims()[h.topic])...)
	return nil
}

func (h handler) Cleanup(session sarama.ConsumerGroupSession) error {
	member.Say("revoked", member.Partitions(session.Claims()[h.topic])...)
	return nil
}

func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			member.Say("record", message.Partition, message.Offset)
			session.MarkMessage(message, "")
			if len(claim.Messages()) > 0 {
				continue
			}
			// Over the connection of the fetches, behind one that waits for records: not for each record.
			session.Commit()
			member.Say("committed", message.Partition, message.Offset+1)
		case <-session.Context().Done():
			return nil
		}
	}
}
