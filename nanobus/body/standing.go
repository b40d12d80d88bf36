package body

import (
	"container/heap"
	"sync"
)

// standing are the bodies of requests that are under way, by the time at which each is to be looked
// at: when it has stood still for too long, or when the reply to it is overdue. A look costs what
// is due, however many bodies there are. Those of responses aren't among them: a stream may be
// quiet for as long as its link lives.
type standing struct {
	mu   sync.Mutex
	list dueList
}

// stander is one of them. It moves on after it was added: overdue looks where it is at, ends it if
// its time is up, and returns when to look again, 0 for never.
type stander interface {
	overdue(now int64) (next int64)
}

type dueEntry struct {
	at int64 // time
	s  stander
}

// add has overdue called at a time. Of what is added twice the earlier look counts.
func (t *standing) add(s stander, at int64) {
	t.mu.Lock()
	heap.Push(&t.list, dueEntry{at, s})
	t.mu.Unlock()
}

// sweep looks at what is due, and returns when the next look is.
func (t *standing) sweep(now int64) (earliest int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.list) > 0 && t.list[0].at <= now {
		s := t.list[0].s
		heap.Pop(&t.list)
		t.mu.Unlock()
		next := s.overdue(now)
		t.mu.Lock()
		if next != 0 {
			heap.Push(&t.list, dueEntry{max(next, now+1), s})
		}
	}
	if len(t.list) == 0 {
		return Never
	}
	return t.list[0].at
}

// dueList is a heap.
type dueList []dueEntry

func (l dueList) Len() int           { return len(l) }
func (l dueList) Less(i, j int) bool { return l[i].at < l[j].at }
func (l dueList) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *dueList) Push(x any)        { *l = append(*l, x.(dueEntry)) } //nolint:forcetypeassert // ours

// Pop implements heap.Interface.
func (l *dueList) Pop() any {
	old := *l
	last := old[len(old)-1]
	old[len(old)-1] = dueEntry{}
	*l = old[:len(old)-1]
	return last
}
