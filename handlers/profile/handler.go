package profile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"nanofront/handlers"
	"nanofront/metrics"
)

const (
	// MaxBody is the longest body of a PUT in bytes.
	MaxBody = 16 << 10
	// DefaultLimit is how many ids GET /ids returns if it isn't told.
	DefaultLimit = 20
)

var (
	headerType     = []byte("content-type")
	headerAllow    = []byte("allow")
	typeJSON       = []byte("application/json")
	allowProfile   = []byte("GET, HEAD, PUT")
	allowIDs       = []byte("GET, HEAD")
	profilePath    = []byte("/profile/")
	idsPath        = []byte("/ids")
	errMethodNotOK = "this method is not possible here"
)

// handler is the role as a handlers.BatchHandler.
type handler struct {
	store   Store
	writers *writers
	scratch sync.Pool // of *reads
	now     func() time.Time

	reads, writes, conflicts, notFound, unreadable *metrics.Counter
	readTime, writeTime                            *metrics.Timer
}

func newHandler(store Store, set metrics.Meter, concurrentWrites int) *handler {
	h := &handler{
		store: store, now: time.Now,
		reads: set.Counter(metrics.StoreReads), writes: set.Counter(metrics.StoreWrites),
		conflicts: set.Counter(metrics.StoreConflicts), notFound: set.Counter(metrics.StoreNotFound),
		unreadable: set.Counter(metrics.StoreUnreadable),
		readTime:   set.Timer(metrics.StoreReadTime), writeTime: set.Timer(metrics.StoreWriteTime),
	}
	h.writers = newWriters(concurrentWrites, h.put)
	h.scratch.New = func() any {
		r := &reads{h: h}
		r.each = r.answer // made once: a method value is an allocation
		return r
	}
	return h
}

// ServeBatch implements handlers.BatchHandler: writes go their own way, reads
// to the store as one.
func (h *handler) ServeBatch(batch []*handlers.Exchange) {
	r := h.scratch.Get().(*reads) //nolint:forcetypeassert // the pool has nothing else
	for _, x := range batch {
		h.route(r, x)
	}
	r.run()
	h.scratch.Put(r)
}

func (h *handler) route(r *reads, x *handlers.Exchange) {
	req := x.Request()
	read := isRead(req.Method)
	if tail, ok := bytes.CutPrefix(req.Path, profilePath); ok {
		id, ok := parseID(tail)
		switch {
		case !ok:
			x.Fail(handlers.Status(400, "%.60q is not a member's id: want a number from 1 on", tail))
		case read:
			r.items = append(r.items, readItem{id: id, x: x})
		case string(req.Method) == "PUT":
			h.writers.submit(x)
		default:
			notAllowed(x, allowProfile)
		}
		return
	}
	switch {
	case !bytes.Equal(req.Path, idsPath):
		x.Fail(handlers.Status(404, "there is nothing at %.200q", req.Path))
	case !read:
		notAllowed(x, allowIDs)
	default:
		h.ids(x)
	}
}

// isRead: HEAD is like GET; the front leaves the body out.
func isRead(method []byte) bool { return string(method) == "GET" || string(method) == "HEAD" }

// parseID reads a member's id: decimal, from 1, without leading zeros, so that each member has only
// one path.
func parseID(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' {
		return 0, false
	}
	var id uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		id = id*10 + uint64(c-'0')
	}
	return id, true
}

func notAllowed(x *handlers.Exchange, allow []byte) {
	resp := x.Response()
	resp.Status = 405
	resp.Add(headerType, typeJSON)
	resp.Add(headerAllow, allow)
	resp.Body = append(resp.Body, `{"error":"`+errMethodNotOK+`"}`+"\n"...)
	x.Done()
}

// readItem is one read of a batch.
type readItem struct {
	id uint64
	x  *handlers.Exchange
}

// reads are the reads of one batch.
type reads struct {
	h     *handler
	items []readItem
	ids   []uint64
	next  int // the first item not yet answered
	began time.Time
	each  func(int, Document, error)
}

// run answers all items. One that is not reached because of an error fails
// with it.
func (r *reads) run() {
	if len(r.items) == 0 {
		return
	}
	slices.SortFunc(r.items, func(a, b readItem) int { return cmp.Compare(a.id, b.id) })
	for i := range r.items {
		r.ids = append(r.ids, r.items[i].id)
	}
	r.began = time.Now()
	err := r.h.store.Read(r.ids, r.each)
	r.h.readTime.Observe(time.Since(r.began))
	r.h.reads.Add(uint64(r.next))
	if err == nil && r.next < len(r.items) {
		err = errors.New("profile: the store skipped an id")
	}
	for ; r.next < len(r.items); r.next++ {
		r.items[r.next].x.Fail(err)
	}
	clear(r.items)
	r.items, r.ids, r.next = r.items[:0], r.ids[:0], 0
}

// answer is Store.Read's callback.
func (r *reads) answer(i int, doc Document, err error) {
	x := r.items[i].x
	r.next = i + 1
	x.Span("store.read", r.began)
	switch {
	case err == nil:
		respond(x, doc)
	case errors.Is(err, ErrNotFound):
		r.h.notFound.Inc()
		x.Fail(notFound(r.items[i].id))
	default:
		r.h.unreadable.Inc()
		x.Fail(err)
	}
}

func notFound(id uint64) error { return handlers.Status(404, "there is no member %d", id) }

// respond answers with the document.
func respond(x *handlers.Exchange, doc Document) {
	fill(x.Response(), doc)
	x.Done()
}

// fill copies the document: the response may be sent after doc has gone.
func fill(resp *handlers.Response, doc Document) {
	var space [32]byte // so that the strings below need no memory
	resp.Add(headerType, typeJSON)
	resp.Set("etag", string(appendETag(space[:0], doc.Version)))
	resp.Set("x-last-seen", string(strconv.AppendInt(space[:0], doc.LastSeen, 10)))
	setBytes(resp, "x-city", doc.City)
	resp.Body = append(append(resp.Body, doc.JSON...), '\n')
}

// setBytes is Response.Set for bytes that don't stay.
func setBytes(resp *handlers.Response, name string, value []byte) {
	if len(value) <= 32 { // the compiler keeps such a string on the stack
		resp.Set(name, string(value))
		return
	}
	resp.Add([]byte(name), bytes.Clone(value))
}

func appendETag(dst []byte, version uint64) []byte {
	dst = strconv.AppendUint(append(dst, '"'), version, 10)
	return append(dst, '"')
}

// ids answers GET /ids.
func (h *handler) ids(x *handlers.Exchange) {
	req := x.Request()
	city := req.Param("city")
	if city == "" {
		x.Fail(handlers.Status(400, "city is missing: ask for /ids?city=Berlin"))
		return
	}
	limit := DefaultLimit
	if text := req.Param("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxCityIDs {
			x.Fail(handlers.Status(400, "limit is %.60q: want 1 to %d", text, MaxCityIDs))
			return
		}
		limit = n
	}
	ids, err := h.store.City(city, limit)
	if err != nil {
		h.unreadable.Inc()
		x.Fail(err)
		return
	}
	resp := x.Response()
	resp.Add(headerType, typeJSON)
	resp.Body = append(resp.Body, '[')
	for i, id := range ids {
		if i > 0 {
			resp.Body = append(resp.Body, ',')
		}
		resp.Body = strconv.AppendUint(resp.Body, id, 10)
	}
	resp.Body = append(resp.Body, "]\n"...)
	x.Done()
}

// put answers a PUT. It runs on a goroutine of writers.
func (h *handler) put(x *handlers.Exchange) {
	finished := false
	defer func() {
		// A panic is a 500 as everywhere; the goroutine of a store that
		// fails ends in the middle, without one (pebbleLog.Fatalf).
		p := recover()
		switch {
		case finished:
		case p != nil:
			x.Fail(fmt.Errorf("profile: panic while writing: %v\n%s", p, debug.Stack()))
		default:
			x.Fail(handlers.ErrUnavailable)
		}
	}()
	doc, err := h.update(x)
	finished = true
	if err != nil {
		x.Fail(err)
		return
	}
	respond(x, doc)
}

func (h *handler) update(x *handlers.Exchange) (Document, error) {
	req := x.Request()
	tail, _ := bytes.CutPrefix(req.Path, profilePath)
	id, _ := parseID(tail)
	if len(req.Body) > MaxBody {
		return Document{}, handlers.Status(413, "the body is %d bytes long: want at most %d", len(req.Body), MaxBody)
	}
	cond, err := condition(req)
	if err != nil {
		return Document{}, err
	}
	change, err := ParseChange(id, req.Body)
	if err != nil {
		return Document{}, handlers.Status(400, "%v", err)
	}
	start := time.Now()
	doc, err := h.store.Update(x.Context(), id, cond, func(m *Member) error { return change.Apply(m, h.now()) })
	x.Span("store.write", start)
	var stale *ConflictError
	switch {
	case err == nil:
		h.writeTime.Observe(time.Since(start))
		h.writes.Inc()
	case errors.As(err, &stale):
		h.conflicts.Inc()
		err = handlers.Status(412, "the record has changed since you read it: it is at version %d now; read it again and redo the change", stale.Current)
	case errors.Is(err, ErrNotFound):
		h.notFound.Inc()
		err = notFound(id)
	case errors.Is(err, ErrInvalid):
		err = handlers.Status(400, "%v", err)
	case errors.Is(err, ErrFailed), errors.Is(err, ErrClosed):
		err = handlers.ErrUnavailable
	case errors.Is(err, errUnreadable):
		h.unreadable.Inc()
	}
	return doc, err
}
