// Command kafka-go is the client of that name under the contract.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"compat/contract"
)

var codecs = map[string]kafka.Compression{
	"none":   0,
	"gzip":   kafka.Gzip,
	"snappy": kafka.Snappy,
	"lz4":    kafka.Lz4,
	"zstd":   kafka.Zstd,
}

const (
	batchTimeout = 5 * time.Millisecond
	// How long a fetch waits at the end of a partition, and so a reader when it is closed.
	waitMax = 50 * time.Millisecond
)

type client struct {
	bootstrap string
	admin     *kafka.Client
}

func main() {
	contract.Run(func(bootstrap string) contract.Client {
		return client{bootstrap, &kafka.Client{Addr: kafka.TCP(bootstrap)}}
	})
}

// partitionOf reads what Produce wrote: a writer's messages may not name their partition themselves.
func partitionOf(message kafka.Message, _ ...int) int { return message.WriterData.(int) }

// Produce: the library has no idempotent producer.
func (c client) Produce(ctx context.Context, topic, codec string, _ bool, records []contract.Record) error {
	writer := &kafka.Writer{
		Addr:         kafka.TCP(c.bootstrap),
		Topic:        topic,
		Balancer:     kafka.BalancerFunc(partitionOf),
		Compression:  codecs[codec],
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: batchTimeout,
		BatchBytes:   contract.RequestBytesMax,
	}
	defer writer.Close()
	var out []kafka.Message
	for _, record := range records {
		converted := kafka.Message{WriterData: record.Partition, Time: record.Time, Key: record.Key, Value: record.Value}
		for _, header := range record.Headers {
			converted.Headers = append(converted.Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		out = append(out, converted)
	}
	err := writer.WriteMessages(ctx, out...)
	var failures kafka.WriteErrors
	var refusal kafka.Error
	if errors.As(err, &failures) {
		err = errors.Join(failures...)
	}
	if errors.As(err, &refusal) {
		return contract.Refused(refusal.Title())
	}
	return err
}

func (c client) Consume(ctx context.Context, topic string, count int) ([]contract.Record, []int64, error) {
	var seen []contract.Record
	var ends []int64
	for partition := range count {
		end, err := c.offset(ctx, topic, kafka.LastOffsetOf(partition))
		if err != nil {
			return nil, nil, err
		}
		ends = append(ends, end.LastOffset)
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{c.bootstrap}, Topic: topic, Partition: partition,
			MaxBytes: contract.RequestBytesMax, MaxWait: waitMax,
		})
		defer reader.Close()
		for range end.LastOffset {
			message, err := reader.ReadMessage(ctx)
			if err != nil {
				return nil, nil, err
			}
			seen = append(seen, convert(message))
		}
	}
	return seen, ends, nil
}

func convert(message kafka.Message) contract.Record {
	converted := contract.Record{
		Partition: message.Partition, Offset: message.Offset, Time: message.Time, Key: message.Key, Value: message.Value,
	}
	for _, header := range message.Headers {
		converted.Headers = append(converted.Headers, contract.Header{Name: header.Key, Value: header.Value})
	}
	return converted
}

func (c client) offset(ctx context.Context, topic string, request kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	response, err := c.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {request}},
	})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	found := response.Topics[topic][0]
	return found, found.Error
}

func (c client) Time(ctx context.Context, topic string, partition int, at time.Time) (int64, error) {
	found, err := c.offset(ctx, topic, kafka.TimeOffsetOf(partition, at))
	for offset := range found.Offsets {
		return offset, err
	}
	return -1, err
}

func (c client) Partitions(ctx context.Context, topic string) (int, error) {
	response, err := c.admin.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, err
	}
	return len(response.Topics[0].Partitions), nil
}
