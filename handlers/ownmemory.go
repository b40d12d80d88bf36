package handlers

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

// Defaults of a process' own memory of writes.
const (
	DefaultMaxWrites     = 1 << 17
	DefaultMaxWriteBytes = 32 << 20
)

// ownMemory is a Memory of one process. When there are too many writes it takes no more, because to
// forget one would let it be done twice. When their answers are too long it forgets the oldest of
// those, but not that they were given.
type ownMemory struct {
	name               string
	maxWrites, maxSize int

	mu      sync.Mutex
	writes  map[WriteID]*remembered
	oldest  list.List // of *remembered, in the order in which they end
	answers list.List // of those that have one
	size    int       // of all answers
}

type remembered struct {
	Write
	id         WriteID
	until      time.Time
	at, answer *list.Element // in oldest, in answers
}

func newOwnMemory(maxWrites, maxSize int) *ownMemory {
	var b [12]byte
	_, _ = rand.Read(b[:]) // it never fails
	return &ownMemory{
		name: "process " + hex.EncodeToString(b[:]), maxWrites: maxWrites, maxSize: maxSize,
		writes: make(map[WriteID]*remembered),
	}
}

// Name implements Memory.
func (m *ownMemory) Name() string { return m.name }

// Claim implements Memory.
func (m *ownMemory) Claim(_ context.Context, id WriteID, payload PayloadSum, until time.Time) (Write, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(time.Now())
	if r := m.writes[id]; r != nil {
		return r.Write, nil
	}
	if len(m.writes) >= m.maxWrites {
		return Write{}, ErrMemoryFull
	}
	r := &remembered{Write: Write{WriteUnderWay, payload, nil}, id: id, until: until}
	r.at = m.oldest.PushBack(r)
	m.writes[id] = r
	return Write{State: WriteBegins, Payload: payload}, nil
}

// expire drops what was remembered for long enough. mu is held.
func (m *ownMemory) expire(now time.Time) {
	for e := m.oldest.Front(); e != nil; e = m.oldest.Front() {
		r := e.Value.(*remembered) //nolint:forcetypeassert // it has nothing else
		if now.Before(r.until) {
			return
		}
		if r.State == WriteUnderWay { // in this process: it is still at it
			r.until = now.Add(time.Minute)
			m.oldest.MoveToBack(e)
			continue
		}
		m.drop(r)
	}
}

// drop forgets a write. mu is held.
func (m *ownMemory) drop(r *remembered) {
	m.oldest.Remove(r.at)
	m.dropAnswer(r)
	delete(m.writes, r.id)
}

func (m *ownMemory) dropAnswer(r *remembered) {
	if r.answer != nil {
		m.answers.Remove(r.answer)
		m.size -= len(r.Answer)
		r.answer, r.Answer = nil, nil
	}
}

// Settle implements Memory.
func (m *ownMemory) Settle(id WriteID, answer []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.writes[id]
	if r == nil || r.answer != nil {
		return nil
	}
	r.State = WriteEnded
	if len(answer) == 0 || len(answer) > m.maxSize {
		return nil
	}
	r.Answer, r.answer = answer, m.answers.PushBack(r)
	for m.size += len(answer); m.size > m.maxSize; {
		m.dropAnswer(m.answers.Front().Value.(*remembered)) //nolint:forcetypeassert // it has nothing else
	}
	return nil
}

// Forget implements Memory.
func (m *ownMemory) Forget(id WriteID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.writes[id]; r != nil {
		m.drop(r)
	}
	return nil
}

// Len is how many writes are remembered.
func (m *ownMemory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(time.Now())
	return len(m.writes)
}
