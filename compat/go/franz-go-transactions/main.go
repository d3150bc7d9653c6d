// Command franz-go-transactions BOOTSTRAP < COMMANDS; compat/src/scenario/transactions.rs tells the contract.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 3

// producer is a client of its own, or a session, which consumes too and sends its positions when it commits.
type producer struct {
	client  *kgo.Client
	session *kgo.GroupTransactSession
	// The session's positions, by partition.
	positions [partitions]int64
}

type client struct {
	bootstrap string
	producers map[string]*producer
}

func main() {
	c := client{os.Args[1], map[string]*producer{}}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		err := c.obey(strings.Fields(lines.Text()))
		var refusal *kerr.Error
		switch {
		case err == nil:
			fmt.Println("ok")
		case errors.As(err, &refusal):
			fmt.Println("error", refusal.Message)
		default:
			fmt.Println("error", err)
		}
	}
}

func (c client) obey(words []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch words[0] {
	case "init":
		return c.init(ctx, words[1], words[2], words[3], words[4], words[5])
	case "begin":
		return c.producers[words[1]].client.BeginTransaction()
	case "send":
		partition, err := strconv.Atoi(words[3])
		if err != nil {
			return err
		}
		record := &kgo.Record{Topic: words[2], Partition: int32(partition), Value: []byte(words[4])}
		return c.producers[words[1]].client.ProduceSync(ctx, record).FirstErr()
	case "offsets":
		offset, err := strconv.ParseInt(words[4], 10, 64)
		if err != nil {
			return err
		}
		return c.producers[words[1]].consume(ctx, offset)
	case "commit":
		return c.producers[words[1]].end(ctx, kgo.TryCommit)
	case "abort":
		return c.producers[words[1]].end(ctx, kgo.TryAbort)
	case "read":
		return c.read(ctx, words[1], words[2] == "committed", words[3])
	}
	return errors.New(words[0])
}

func (c client) init(ctx context.Context, name, id, timeoutMs, group, topic string) error {
	timeout, err := time.ParseDuration(timeoutMs + "ms")
	if err != nil {
		return err
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(c.bootstrap),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(timeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	if before := c.producers[name]; before != nil {
		before.client.CloseAllowingRebalance()
	}
	made := &producer{}
	c.producers[name] = made
	if group == "none" {
		made.client, err = kgo.NewClient(options...)
	} else {
		options = append(options,
			kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.RequireStableFetchOffsets(),
		)
		if made.session, err = kgo.NewGroupTransactSession(options...); err == nil {
			made.client = made.session.Client()
		}
	}
	if err != nil {
		return err
	}
	// It would ask for its id only when it first needs it.
	_, _, err = made.client.ProducerID(ctx)
	return err
}

func (p *producer) consume(ctx context.Context, offset int64) error {
	for slices.Min(p.positions[:]) < offset {
		fetches := p.session.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachRecord(func(record *kgo.Record) { p.positions[record.Partition] = record.Offset + 1 })
	}
	return nil
}

func (p *producer) end(ctx context.Context, try kgo.TransactionEndTry) error {
	if p.session == nil {
		return p.client.EndTransaction(ctx, try)
	}
	committed, err := p.session.End(ctx, try)
	if !committed {
		// It begins again where it committed last.
		p.positions = [partitions]int64{}
	}
	if err == nil && committed != bool(try) {
		return errors.New("not committed")
	}
	return err
}

func (c client) read(ctx context.Context, topic string, committed bool, last string) error {
	starts := map[int32]kgo.Offset{}
	for partition := range int32(partitions) {
		starts[partition] = kgo.NewOffset().AtStart()
	}
	isolation := kgo.ReadUncommitted()
	if committed {
		isolation = kgo.ReadCommitted()
	}
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(c.bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(isolation),
	)
	if err != nil {
		return err
	}
	defer reader.Close()
	var seen [partitions][]string
	whole := func() bool {
		return !slices.ContainsFunc(seen[:], func(values []string) bool { return !slices.Contains(values, last) })
	}
	for !whole() {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachRecord(func(record *kgo.Record) {
			seen[record.Partition] = append(seen[record.Partition], string(record.Value))
		})
	}
	for partition, values := range seen {
		fmt.Println(partition, strings.Join(values, " "))
	}
	return nil
}
