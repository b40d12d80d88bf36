package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"nanofront/handlers"
	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/toggles/requests"
)

var (
	headerType    = []byte("content-type")
	headerVary    = []byte("vary")
	headerCache   = []byte("cache-control")
	headerCSP     = []byte("content-security-policy")
	headerNoSniff = []byte("x-content-type-options")

	typeJSON   = []byte("application/json")
	typeHTML   = []byte("text/html; charset=utf-8")
	typeSVG    = []byte("image/svg+xml")
	varyAccept = []byte("Accept")
	noCache    = []byte("no-cache")
	cacheDay   = []byte("public, max-age=86400")
	noSniff    = []byte("nosniff")
	// contentPolicy: pages are self-contained; whatever gets into one, it
	// can't run or load anything.
	contentPolicy = []byte("default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")

	methodGET   = []byte("GET")
	methodPUT   = []byte("PUT")
	allowRead   = []byte("GET, HEAD")
	allowChange = []byte("GET, HEAD, PUT")

	profilePath = []byte("/profile/")
	photoPath   = []byte("/photo/")
)

// handler is the role as a handlers.BatchHandler.
type handler struct {
	client *handlers.Client
	events *events
	index  map[string][]byte // the page at /, by its look
	now    func() time.Time

	toggles *requests.Toggles // nil: none

	// Made once, because a method value is an allocation.
	gotProfile, gotChange, gotIDs, gotMember func(*handlers.Call)
}

func newHandler(set metrics.Meter) *handler {
	h := &handler{now: time.Now, events: newEvents(set, time.Now)}
	h.gotProfile, h.gotChange, h.gotIDs, h.gotMember = h.onProfile, h.onChange, h.onIDs, h.onMember
	return h
}

// attach gives it what there is only when the runtime is made.
func (h *handler) attach(rt *handlers.Runtime) (err error) {
	h.client = rt.Client(profileService)
	h.events.publish, h.events.self = rt.Publish, rt.Instance()
	h.index, err = indexPages(rt.Instance())
	return err
}

// ServeBatch implements handlers.BatchHandler.
func (h *handler) ServeBatch(batch []*handlers.Exchange) {
	for _, x := range batch {
		h.route(x)
	}
}

func (h *handler) route(x *handlers.Exchange) {
	req := x.Request()
	if id, ok := bytes.CutPrefix(req.Path, profilePath); ok {
		switch {
		case !isID(id):
			refuse(x, handlers.Status(400, "%.60q is not a member's id: want a number from 1 on", id))
		case isRead(req.Method):
			h.getProfile(x)
		case bytes.Equal(req.Method, methodPUT):
			h.putProfile(x)
		default:
			notAllowed(x, allowChange)
		}
		return
	}
	var serve func(*handlers.Exchange)
	switch {
	case string(req.Path) == "/":
		serve = h.getIndex
	case string(req.Path) == "/members":
		serve = h.getMembers
	case string(req.Path) == "/events":
		serve = h.getEvents
	case string(req.Path) == "/favicon.ico":
		serve = getFavicon
	case bytes.HasPrefix(req.Path, photoPath):
		serve = getPhoto
	default:
		refuse(x, handlers.Status(404, "there is nothing at %.200q; see / for what exists", req.Path))
		return
	}
	if !isRead(req.Method) {
		notAllowed(x, allowRead)
		return
	}
	serve(x)
}

// isRead: HEAD is like GET; the front leaves the body out.
func isRead(method []byte) bool { return string(method) == "GET" || string(method) == "HEAD" }

// isID: decimal, from 1, without leading zeros, as in profile.
func isID(b []byte) bool {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func getFavicon(x *handlers.Exchange) {
	resp := x.Response()
	resp.Status = 204
	resp.Add(headerCache, cacheDay)
	x.Done()
}

// sendPage answers with a page that is complete.
func sendPage(x *handlers.Exchange, html []byte) {
	resp := x.Response()
	addPageHeaders(resp)
	resp.Body = append(resp.Body, html...)
	x.Done()
}

func addPageHeaders(resp *handlers.Response) {
	resp.Add(headerType, typeHTML)
	resp.Add(headerCache, noCache)
	resp.Add(headerCSP, contentPolicy)
	resp.Add(headerNoSniff, noSniff)
}

// budget is what a call may take of the time that is left: a little is kept
// for what comes after it, so that this end is not late as well.
func budget(x *handlers.Exchange) time.Duration {
	left := x.Remaining()
	return left - max(left/20, time.Millisecond)
}

// start begins a call for x, unless there is no time left.
func (h *handler) start(x *handlers.Exchange, c *handlers.Call) {
	left := budget(x)
	if left <= 0 {
		c.Release()
		refuse(x, context.DeadlineExceeded)
		return
	}
	c.Patient = x
	h.client.Go(c, left)
}

// translate tells what a failed call is to the client.
func translate(err error, method string) error {
	var remote *nanobus.RemoteError
	switch {
	case errors.Is(err, nanobus.ErrLinkDown) && method == "PUT":
		return handlers.Status(502, "the connection to the profile service broke, so the change may or may not have been made: read the record again")
	case errors.Is(err, nanobus.ErrLinkDown):
		return handlers.Status(502, "the connection to the profile service broke: try again")
	case errors.Is(err, nanobus.ErrCancelled):
		return context.Canceled
	case !errors.As(err, &remote):
		return err
	case remote.Code == nanobus.CodeExpired:
		return context.DeadlineExceeded
	case remote.Code.NotActedUpon():
		return fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
	}
	return err
}

// aside runs f, which finishes x, on a goroutine of its own: there are never
// more of those than the window of the process.
func aside(x *handlers.Exchange, f func() error) {
	go func() {
		err := contained(f)
		if err != nil {
			x.Fail(err)
			return
		}
		x.Done()
	}()
}

// contained makes an error of a panic.
func contained(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("web: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
