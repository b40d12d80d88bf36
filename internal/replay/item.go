package replay

import (
	"time"

	"nanofront/internal/recording"
)

// MaxFields is how many header fields of answers may be compared.
const MaxFields = 8

// Item is a request that is to be sent.
type Item struct {
	// Due is when, in ns from the beginning of the replay.
	Due int64
	// Wire is the request as it is sent. It belongs to the feed: a Sender copies it.
	Wire []byte
	// Head: the answer has no body, whatever its head says.
	Head bool
	// Method, Path and Query are for messages, as is ID, the recorded request id.
	Method, Path, Query, ID string
	// Want is what was recorded of the answer.
	Want Want

	route int
}

// Want is a recorded answer, as far as it is compared.
type Want struct {
	// Answered: there was one. All else is of such.
	Answered bool
	Status   int
	Size     int64 // of the body; -1: not known
	Copied   int64 // of how many bytes of it Hash is; 0: nothing is to be hashed
	Hash     recording.Hash
	Latency  time.Duration
	fields   [MaxFields]string // of the fields that are compared
}

// Batches bound what is read ahead: so many items, or so many bytes, in each of so many batches for
// each worker.
const (
	batchItems = 256
	batchBytes = 1 << 20
	batchesOut = 16
)

// batch is a run of items with the bytes of their requests. It goes from the feed to a worker, and
// back.
type batch struct {
	items []Item
	bytes []byte
}

// lane leads from the feed to a worker.
type lane struct {
	full  chan *batch // closed at the end
	empty chan *batch

	// The worker's:
	now   *batch
	at    int
	ended bool
}

func newLane() *lane {
	l := &lane{full: make(chan *batch, batchesOut), empty: make(chan *batch, batchesOut+2)}
	for range cap(l.empty) {
		l.empty <- &batch{}
	}
	return l
}

// peek is the next item; nil if there is none yet, or if the lane has ended.
func (l *lane) peek() *Item {
	for l.now == nil || l.at == len(l.now.items) {
		if l.ended {
			return nil
		}
		if l.now != nil {
			l.empty <- l.now // as many as there are have room
			l.now = nil
		}
		select {
		case b, ok := <-l.full:
			l.now, l.at, l.ended = b, 0, !ok
		default:
			return nil
		}
	}
	return &l.now.items[l.at]
}

// advance goes to the item behind the one that peek has given.
func (l *lane) advance() { l.at++ }
