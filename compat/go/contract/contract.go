// Package contract is what every Go client program does; compat/src/scenario/clients/mod.rs tells the contract.
package contract

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	fieldBytesMax = 64
	timeout       = 60 * time.Second
	// RequestBytesMax is above every broker's limit: that one is looked at, not the client's.
	RequestBytesMax = 8 << 20
)

// Header is one header of a record.
type Header struct {
	Name  string
	Value []byte
}

// Record is one record; a nil Key or Value is null.
type Record struct {
	Partition  int
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Headers    []Header
}

// Client is what differs from library to library.
type Client interface {
	// Produce returns Refused if the broker refuses a record.
	Produce(ctx context.Context, topic, codec string, idempotent bool, records []Record) error
	// Consume gives all records of partitions 0 to count-1 and the end offset of each.
	Consume(ctx context.Context, topic string, count int) ([]Record, []int64, error)
	// Time gives the offset of the first record at or after a time.
	Time(ctx context.Context, topic string, partition int, at time.Time) (int64, error)
	// Partitions counts a topic's partitions.
	Partitions(ctx context.Context, topic string) (int, error)
}

// Refused is the client's own name for a broker's refusal.
type Refused string

func (refused Refused) Error() string { return string(refused) }

// Run obeys the commands on standard input.
func Run(connect func(bootstrap string) Client) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	session := session{client: connect(os.Args[1])}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = session.obey(ctx, strings.TrimSpace(line))
		}
		if err != nil {
			log.Fatalf("%.100s: %v", line, err)
		}
	}
}

type session struct {
	client  Client
	records []Record
}

func (s *session) obey(ctx context.Context, line string) error {
	words := strings.Fields(line)
	switch words[0] {
	case "record":
		s.records = append(s.records, parseRecord(words[1:]))
		return nil
	case "forget":
		s.records = nil
		return nil
	}
	fmt.Println(">", line)
	switch words[0] {
	case "produce":
		return s.produce(ctx, words[1], words[2], words[3] == "idempotent")
	case "consume":
		return s.consume(ctx, words[1], int(number(words[2])))
	case "times":
		return s.times(ctx, words[1], int(number(words[2])), words[3:])
	case "partitions":
		count, err := s.client.Partitions(ctx, words[1])
		fmt.Println("partitions", count)
		return err
	}
	return errors.New("unknown command")
}

func (s *session) produce(ctx context.Context, topic, codec string, idempotent bool) error {
	err := s.client.Produce(ctx, topic, codec, idempotent, s.records)
	var refused Refused
	if errors.As(err, &refused) {
		fmt.Println("error", string(refused))
		return nil
	}
	if err == nil {
		fmt.Println("acked", len(s.records))
	}
	return err
}

func (s *session) consume(ctx context.Context, topic string, count int) error {
	seen, ends, err := s.client.Consume(ctx, topic, count)
	if err != nil {
		return err
	}
	slices.SortFunc(seen, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	for _, record := range seen {
		fmt.Println(showRecord(record))
	}
	fmt.Println("ends", strings.Trim(fmt.Sprint(ends), "[]"))
	return nil
}

func (s *session) times(ctx context.Context, topic string, partition int, times []string) error {
	offsets := []int64{}
	for _, at := range times {
		offset, err := s.client.Time(ctx, topic, partition, time.UnixMilli(number(at)))
		if err != nil {
			return err
		}
		offsets = append(offsets, offset)
	}
	fmt.Println("offsets", strings.Trim(fmt.Sprint(offsets), "[]"))
	return nil
}

func number(word string) int64 {
	value, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func parseRecord(words []string) Record {
	record := Record{
		Partition: int(number(words[0])),
		Time:      time.UnixMilli(number(words[1])),
		Key:       parseField(words[2]),
		Value:     parseField(words[3]),
	}
	for at := 4; at < len(words); at += 2 {
		record.Headers = append(record.Headers, Header{string(parseField(words[at])), parseField(words[at+1])})
	}
	return record
}

func parseField(word string) []byte {
	if word == "null" {
		return nil
	}
	digits, count, repeated := strings.Cut(word[1:], "*")
	field, err := hex.DecodeString(digits)
	if err != nil {
		log.Fatal(err)
	}
	if repeated {
		return bytes.Repeat(field, int(number(count)))
	}
	return field
}

func showRecord(record Record) string {
	line := fmt.Sprint(record.Partition, record.Offset, record.Time.UnixMilli())
	line += " " + showField(record.Key) + " " + showField(record.Value)
	for _, header := range record.Headers {
		line += " " + showField([]byte(header.Name)) + " " + showField(header.Value)
	}
	return line
}

func showField(field []byte) string {
	switch {
	case field == nil:
		return "null"
	case len(field) > fieldBytesMax:
		return fmt.Sprintf("=%d#%08x", len(field), crc32.ChecksumIEEE(field))
	}
	return "=" + hex.EncodeToString(field)
}
