package balance

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A simulation of choosing: the real views and targets, without wires, in virtual
// time. Nothing in it depends on how busy the machine is.

// simInstance is an instance that is simulated.
type simInstance struct {
	id      string
	weight  int
	window  int                  // 0: 1024
	servers int                  // that work at once; 0: as many as there are requests
	takes   func() time.Duration // one request's work

	link *link
	busy int
	line []simJob
	got  int
}

type simJob struct {
	begun time.Duration
	key   uint64
}

// simEvent is something that happens to an instance.
type simEvent struct {
	at  time.Duration
	in  *simInstance
	job simJob
}

type simEvents []simEvent

func (e simEvents) Len() int           { return len(e) }
func (e simEvents) Less(i, j int) bool { return e[i].at < e[j].at }
func (e simEvents) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)        { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// sim is a caller with some callers in it, each of whom sends its next request
// when the one before is answered.
type sim struct {
	service   *service
	instances []*simInstance
	callers   int
	think     time.Duration // between an answer and the next request
	key       func() uint64 // nil: none

	now     time.Duration
	second  time.Duration
	events  simEvents
	refused int
}

// fixed is work that always takes as long.
func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// uneven is work that takes d in the mean, exponentially distributed.
func uneven(d time.Duration) func() time.Duration {
	return func() time.Duration { return time.Duration(rand.ExpFloat64() * float64(d)) }
}

// link is an instance that is linked, without a wire.
type link struct {
	Target
	ID, Address string
	Weight      int
	attached    int64
}

func simLink(id string, weight, window int) *link {
	l := &link{ID: id, Weight: weight}
	l.Owner = l
	l.SetWindow(int32(window))
	return l
}

// service is who picks among links, as nanobus' does.
type service struct {
	links           map[*link]struct{}
	keyed           bool
	live            *View
	picks, keyMoved int // by key
}

// simService puts the links into a service, as when all are linked.
func simService(keyed bool, links ...*link) *service {
	s := &service{links: make(map[*link]struct{}), keyed: keyed, live: &View{}}
	for _, l := range links {
		s.links[l] = struct{}{}
	}
	s.rebuild()
	return s
}

func (s *service) rebuild() {
	var instances []Instance
	for l := range s.links {
		instances = append(instances, Instance{Target: &l.Target, ID: l.ID, Address: l.Address, Since: l.attached, Weight: l.Weight})
	}
	s.live = NewView(instances, s.live, s.keyed)
}

func (s *service) pick(key uint64, avoid *link) (*link, error) {
	var not, t *Target
	var moved bool
	var err error
	if avoid != nil {
		not = &avoid.Target
	}
	if key == 0 {
		t, err = s.live.Pick(not)
	} else {
		t, moved, err = s.live.PickKey(key, not)
		s.picks++
	}
	if moved {
		s.keyMoved++
	}
	if err != nil {
		return nil, err
	}
	return t.Owner.(*link), nil //nolint:forcetypeassert // simLink has set it
}

func (s *sim) start() {
	var links []*link
	for _, in := range s.instances {
		if in.window == 0 {
			in.window = 1024
		}
		in.link = simLink(in.id, in.weight, in.window)
		links = append(links, in.link)
	}
	s.service = simService(s.key != nil, links...)
	for range s.callers {
		heap.Push(&s.events, simEvent{at: time.Duration(rand.Int64N(int64(time.Millisecond)))})
	}
}

// run lets virtual time pass.
func (s *sim) run(d time.Duration) {
	if s.service == nil {
		s.start()
	}
	end := s.now + d
	for len(s.events) > 0 && s.events[0].at <= end {
		e := heap.Pop(&s.events).(simEvent)
		for s.second+time.Second <= e.at {
			s.second += time.Second
			for _, in := range s.instances {
				in.link.Recover()
			}
		}
		s.now = e.at
		if e.in == nil {
			s.send()
			continue
		}
		s.answered(e)
	}
	s.now = end
}

func (s *sim) send() {
	key := uint64(0)
	if s.key != nil {
		key = s.key()
	}
	l, err := s.service.pick(key, nil)
	if err != nil {
		s.refused++
		heap.Push(&s.events, simEvent{at: s.now + time.Millisecond})
		return
	}
	for _, in := range s.instances {
		if in.link == l {
			in.got++
			in.line = append(in.line, simJob{s.now, key})
			s.work(in)
		}
	}
}

func (s *sim) work(in *simInstance) {
	for len(in.line) > 0 && (in.servers == 0 || in.busy < in.servers) {
		in.busy++
		heap.Push(&s.events, simEvent{s.now + in.takes(), in, in.line[0]})
		in.line = in.line[1:]
	}
}

func (s *sim) answered(e simEvent) {
	l := e.in.link
	l.Refund()
	l.Observe(s.now - e.job.begun)
	l.Replied()
	e.in.busy--
	s.work(e.in)
	heap.Push(&s.events, simEvent{at: s.now + s.think})
}

// shares are the instances' parts of what was sent since the last look.
func (s *sim) shares() []float64 {
	all := 0
	for _, in := range s.instances {
		all += in.got
	}
	parts := make([]float64, len(s.instances))
	for i, in := range s.instances {
		parts[i] = float64(in.got) / float64(all)
		in.got = 0
	}
	return parts
}

// Shares follow the weights at every load: with one request at a time, with
// some, and with so many that they wait. The bounds are what the coarseness
// of few requests explains: two under way can't be divided by 3 to 1.
func TestSim_SharesFollowWeights(t *testing.T) {
	for _, weights := range [][]int{{100, 100}, {100, 300}, {100, 200, 300}, {10, 1000}, {50, 100, 100, 100, 100, 100, 200, 400}} {
		for _, c := range []struct {
			load    string
			callers int
			takes   func() time.Duration
			limited bool // instances work on as many at once as their weight says
			within  float64
		}{
			{"one at a time", 1, fixed(2 * time.Millisecond), false, 0.04},
			{"one at a time, uneven", 1, uneven(2 * time.Millisecond), false, 0.1},
			{"few", 4, fixed(2 * time.Millisecond), false, 0.08},
			{"some", 16, uneven(2 * time.Millisecond), false, 0.06},
			{"many", 256, fixed(2 * time.Millisecond), false, 0.02},
			{"many, uneven", 256, uneven(2 * time.Millisecond), false, 0.05},
			{"saturating", 800, uneven(2 * time.Millisecond), true, 0.05},
		} {
			t.Run(fmt.Sprintf("%v/%s", weights, c.load), func(t *testing.T) {
				s := &sim{callers: c.callers}
				sum := 0
				for i, w := range weights {
					in := &simInstance{id: fmt.Sprintf("s-%d", i), weight: w, takes: c.takes}
					if c.limited {
						in.servers = w / 10
					}
					s.instances = append(s.instances, in)
					sum += w
				}
				warm, long := time.Second, 10*time.Second
				switch {
				case c.callers == 1:
					// Which of two looks slow lasts for a second or so: many of these.
					long = 120 * time.Second
				case c.callers > 100:
					warm, long = 300*time.Millisecond, 700*time.Millisecond
				}
				s.run(warm)
				s.shares()
				s.run(long)
				for i, got := range s.shares() {
					if want := float64(weights[i]) / float64(sum); math.Abs(got-want) > c.within {
						t.Errorf("instance %d has %.3f of all: want %.3f, to within %.2f", i, got, want, c.within)
					}
				}
				if s.refused > 0 {
					t.Errorf("%d refused", s.refused)
				}
			})
		}
	}
}

// An instance that is 50 times slower gets next to nothing, whatever its
// weight and the load, and its share again within seconds of its recovery.
func TestSim_SlowIsAvoidedAndRecovers(t *testing.T) {
	for _, c := range []struct {
		weights []int
		callers int
		atMost  float64
	}{
		{[]int{100, 100, 100}, 1, 0.01},
		{[]int{100, 100, 100}, 64, 0.02},
		{[]int{300, 100, 100}, 1, 0.01},
		{[]int{300, 100, 100}, 64, 0.02},
		{[]int{100, 100}, 200, 0.02},
		// 15 requests are a lot for a weight of 10: its weight says that it is
		// a hundredth as able, so a slow one of 1000 isn't so bad beside it.
		{[]int{1000, 10}, 16, 0.1},
	} {
		t.Run(fmt.Sprintf("%v/callers=%d", c.weights, c.callers), func(t *testing.T) {
			s := &sim{callers: c.callers}
			sum := 0
			for i, w := range c.weights {
				s.instances = append(s.instances, &simInstance{id: fmt.Sprint(i), weight: w, takes: fixed(10 * time.Millisecond)})
				sum += w
			}
			s.run(time.Second)
			slow := s.instances[0]
			slow.takes = fixed(500 * time.Millisecond)
			s.run(2 * time.Second) // to find out
			s.shares()
			s.run(10 * time.Second)
			// With k under way at the others, k/50 here are as good; and it is
			// tried again every some seconds.
			if got := s.shares()[0]; got > c.atMost {
				t.Errorf("the slow one has %.3f of all", got)
			}
			slow.takes = fixed(10 * time.Millisecond)
			s.run(8 * time.Second)
			s.shares()
			if c.callers == 1 {
				s.run(20 * time.Second) // enough requests for a share to mean something
			} else {
				s.run(2 * time.Second)
			}
			want := float64(c.weights[0]) / float64(sum)
			if got := s.shares()[0]; math.Abs(got-want) > 0.08 {
				t.Errorf("recovered, it has %.3f of all: want about %.3f", got, want)
			}
		})
	}
}

// Keys are spread by weight, and a hot one doesn't put its instance under more
// than 1.25 times its share of what is under way.
func TestSim_HotKeyIsBounded(t *testing.T) {
	for _, weights := range [][]int{{100, 100, 100, 100}, {300, 100, 100, 100, 100, 100}, make([]int, 40)} {
		t.Run(fmt.Sprint(len(weights)), func(t *testing.T) {
			const callers = 200
			hot := 0.5
			s := &sim{callers: callers, key: func() uint64 {
				if rand.Float64() < hot {
					return 7
				}
				return 1 + rand.Uint64N(1<<40)
			}}
			for i, w := range weights {
				s.instances = append(s.instances, &simInstance{id: fmt.Sprint(i), weight: w, takes: uneven(2 * time.Millisecond)})
			}
			v := func() *View { return s.service.live }
			worst := 0.0
			for range 500 {
				s.run(time.Millisecond)
				for i := range v().members {
					m := &v().members[i]
					share := float64(m.weight) / float64(v().weight) * callers
					worst = max(worst, (float64(m.target.inFlight.Load())-1)/share)
				}
			}
			// The count of more than 16 instances is some picks old.
			bound := 1.25
			if len(weights) > exactUpTo {
				bound = 1.4
			}
			if worst > bound {
				t.Errorf("an instance had %.2f times its share under way: want %.2f at most", worst, bound)
			}
			if s.refused > 0 {
				t.Errorf("%d refused", s.refused)
			}
			if moved := s.service.keyMoved; moved == 0 {
				t.Error("no call was passed on")
			}
		})
	}
}

// While load is low, no key leaves its instance.
func TestSim_KeysStayWhereTheyBelong(t *testing.T) {
	s := &sim{callers: 1, key: func() uint64 { return 1 + rand.Uint64N(1000) }}
	for i := range 5 {
		s.instances = append(s.instances, &simInstance{id: fmt.Sprint(i), takes: uneven(time.Millisecond)})
	}
	s.run(5 * time.Second)
	m := s.service
	if m.picks < 1000 || m.keyMoved != 0 {
		t.Errorf("of %d calls %d were passed on", m.picks, m.keyMoved)
	}
}
