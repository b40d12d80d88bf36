package conns

import "sync/atomic"

// Memory is a budget of bytes that a front holds for its clients: bodies that are being gathered, and responses that
// clients are slow to take. One for all, so that however many clients are slow, the front's memory is bounded.
// The zero Memory has no room.
type Memory struct {
	most int64
	held atomic.Int64
}

// NewMemory makes a budget of most bytes.
func NewMemory(most int64) *Memory { return &Memory{most: most} }

// Take takes n bytes, or returns false if there are not so many left.
func (m *Memory) Take(n int) bool {
	if m.held.Add(int64(n)) > m.most {
		m.held.Add(int64(-n))
		return false
	}
	return true
}

// Give gives n bytes back.
func (m *Memory) Give(n int) { m.held.Add(int64(-n)) }

// Held is how many bytes are taken.
func (m *Memory) Held() int64 { return m.held.Load() }
