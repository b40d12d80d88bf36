package record

import (
	"container/heap"
	"errors"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/internal/recording"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/registry"
)

const (
	// settleTime is how long a record waits at least, so that it gets its place among those of other
	// instances, whose copies come at other times.
	settleTime = 2 * time.Second
	// answerTime is how long it waits for an answer.
	answerTime = time.Minute
	// maxOpen and maxOpenBytes bound those that wait; beyond that the oldest are written.
	maxOpen      = 1 << 16
	maxOpenBytes = 64 << 20
	// flushTime is how long what was written may be in memory alone.
	flushTime = 5 * time.Second
	// maxRemembered bounds the ids of requests that routes were found for.
	maxRemembered = 1 << 17
)

// Why a recording ended, as its summary says.
const (
	whyInterrupted = "interrupted"
	whyFor         = "--for"
	whyMaxSize     = "--max-size"
	whyFailed      = "failed"
)

// frameKey names a request on one hop.
type frameKey struct {
	instance, peer string
	id             uint64
}

// entry is a record that waits for its answer, or for its turn.
type entry struct {
	rec      recording.Record
	key      frameKey
	came     time.Time
	answered bool
	passed   bool // its turn has come
	unwanted bool
	bytes    int
}

// recorder makes records of copies, and writes them in the order of their times. It isn't for
// several goroutines.
type recorder struct {
	convert *converter
	file    *recording.Writer
	routes  map[string]bool // that are wanted; empty: all
	most    int64           // bytes of the file

	known    bool // the state of the system
	router   *registry.Router
	handlers map[string]bool // instances, by name

	open    map[frameKey]*entry
	turn    turns
	late    []*entry // passed without an answer, in that order
	bytes   int      // of those in turn
	waiting int      // and in late
	chosen  ids
	lost    recording.Lost
	why     string
	flushed time.Time
}

func newRecorder(c *converter, file *recording.Writer, routes []string, most int64) *recorder {
	r := &recorder{convert: c, file: file, most: most, routes: map[string]bool{}, open: map[frameKey]*entry{}, flushed: time.Now()}
	for _, name := range routes {
		r.routes[name] = true
	}
	return r
}

// discovered takes note of the routes, and of which processes are handlers.
func (r *recorder) discovered(s registry.Snapshot) {
	r.known = true
	r.router = s.Routes.Compile()
	r.handlers = make(map[string]bool, len(s.Instances))
	for i := range s.Instances {
		r.handlers[s.Instances[i].ID] = true
	}
}

// copied takes a copy. Those from before the state of the system was known are left out.
func (r *recorder) copied(c *listen.Copy, now time.Time) error {
	if !r.known {
		return nil
	}
	key := frameKey{c.Instance, string(c.Peer), c.ID}
	switch c.Kind {
	case wire.KindRequest:
		return r.request(key, c, now)
	case wire.KindResponse:
		return r.response(key, c)
	case wire.KindCancel:
		if e := r.open[key]; e != nil {
			e.rec.Outcome = recording.Cancelled // unless there is an answer all the same
		}
	default:
	}
	return nil
}

func (r *recorder) request(key frameKey, c *listen.Copy, now time.Time) error {
	rec, chosen, ok := r.convert.request(c)
	if !ok {
		r.lost.Refused++
	}
	if !chosen {
		return nil
	}
	req := &r.convert.req
	if route, result := r.router.Match(req.Method, req.Host, req.Path); result == registry.Found {
		rec.Route = route.Name
	}
	if was := r.open[key]; was != nil { // its answer was lost
		r.lost.Unanswered++
		was.answered = true // so that it isn't waited for
		if was.passed {
			if err := r.write(was); err != nil {
				return err
			}
		}
	}
	e := &entry{rec: rec, key: key, came: now, bytes: len(c.Body) + 1024}
	r.open[key] = e
	heap.Push(&r.turn, e)
	r.bytes += e.bytes
	for len(r.turn) > maxOpen || r.bytes > maxOpenBytes {
		if err := r.pass(); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) response(key frameKey, c *listen.Copy) error {
	e := r.open[key]
	if e == nil {
		if r.convert.share >= 1 { // else it is most likely one of those that aren't wanted
			r.lost.Unasked++
		}
		return nil
	}
	delete(r.open, key)
	if !r.convert.answer(&e.rec, c) {
		r.lost.Refused++
	}
	e.answered = true
	if e.passed {
		return r.write(e)
	}
	return nil
}

// tick writes what has waited long enough.
func (r *recorder) tick(lost listening.Losses, now time.Time) error {
	r.lost.Tap, r.lost.Here = lost.There, lost.Here
	r.file.Lost(r.lost)
	for len(r.turn) > 0 && now.Sub(r.turn[0].came) >= settleTime {
		if err := r.pass(); err != nil {
			return err
		}
	}
	for len(r.late) > 0 && (r.late[0].answered || now.Sub(r.late[0].came) >= answerTime) {
		if err := r.giveUp(); err != nil {
			return err
		}
	}
	if now.Sub(r.flushed) >= flushTime {
		r.flushed = now
		return r.file.Flush()
	}
	return nil
}

// pass takes the record whose turn it is. If it has no answer yet it goes on waiting.
func (r *recorder) pass() error {
	e := heap.Pop(&r.turn).(*entry) //nolint:forcetypeassert // nothing else is in it
	r.bytes -= e.bytes
	r.place(e)
	if e.answered {
		return r.write(e)
	}
	r.late = append(r.late, e)
	r.waiting += e.bytes
	for len(r.late) > maxOpen || r.waiting > maxOpenBytes {
		if err := r.giveUp(); err != nil {
			return err
		}
	}
	return nil
}

// giveUp writes the record that has waited longest, if it has no answer: else it was written then.
func (r *recorder) giveUp() error {
	e := r.late[0]
	r.late[0], r.late = nil, r.late[1:]
	r.waiting -= e.bytes
	if e.answered {
		return nil
	}
	delete(r.open, e.key)
	r.lost.Unanswered++
	return r.write(e)
}

// place finds out which hop of a request it is, and whether that is wanted: of the first its route
// says so, of later ones the first, whose turn has come before.
func (r *recorder) place(e *entry) {
	rec := &e.rec
	e.passed, rec.Hop = true, 1
	if r.handlers[rec.Peer] {
		rec.Hop, rec.Route = 2, ""
	}
	switch {
	case len(r.routes) == 0:
	case rec.Hop == 1 && r.routes[rec.Route]:
		r.chosen.add(rec.RequestID)
	default:
		e.unwanted = rec.Hop == 1 || !r.chosen.has(rec.RequestID)
	}
}

// write puts a record into the file, if it is wanted.
func (r *recorder) write(e *entry) error {
	if e.unwanted {
		return nil
	}
	rec := &e.rec
	err := r.file.Write(rec)
	if errors.Is(err, recording.ErrTooLarge) {
		r.lost.Refused++
		return nil
	}
	if err == nil && (rec.Body.Cut() && rec.Body.Size >= 0 || rec.Answer.Body.Cut() && rec.Answer.Body.Size >= 0) {
		r.lost.Cut++
	}
	if err == nil && r.file.Size() >= r.most {
		r.why = whyMaxSize
		return listening.ErrDone
	}
	return err
}

// end writes what still waits, and closes the file.
func (r *recorder) end(lost listening.Losses, why string) (recording.Summary, error) {
	r.lost.Tap, r.lost.Here = lost.There, lost.Here
	var err error
	for len(r.turn) > 0 && err == nil {
		err = r.pass()
	}
	for len(r.late) > 0 && err == nil {
		err = r.giveUp()
	}
	if errors.Is(err, listening.ErrDone) {
		err = nil
	}
	if r.why != "" {
		why = r.why
	}
	s := recording.Summary{Ended: time.Now().UTC().Truncate(time.Millisecond), Lost: r.lost, Why: why, Records: r.file.Records()}
	return s, errors.Join(err, r.file.Close(s))
}

// turns is a heap of records by their times.
type turns []*entry

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].rec.At < t[j].rec.At }
func (t turns) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is for package heap.
func (t *turns) Push(e any) { *t = append(*t, e.(*entry)) } //nolint:forcetypeassert // as above

// Pop is for package heap.
func (t *turns) Pop() any {
	n := len(*t) - 1
	e := (*t)[n]
	(*t)[n] = nil
	*t = (*t)[:n]
	return e
}

// ids remembers the last ids that were added.
type ids struct {
	set   map[string]bool
	order []string
	next  int
}

func (s *ids) add(id string) {
	if id == "" || s.set[id] {
		return
	}
	if s.set == nil {
		s.set = map[string]bool{}
	}
	if len(s.order) < maxRemembered {
		s.order = append(s.order, id)
	} else {
		delete(s.set, s.order[s.next])
		s.order[s.next] = id
		s.next = (s.next + 1) % maxRemembered
	}
	s.set[id] = true
}

func (s *ids) has(id string) bool { return s.set[id] }
