package terminator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/nanobus"
	"nanofront/registry"
)

// wayPair is two terminators that differ in nothing but how they serve their
// connections, with the same handlers.
type wayPair struct {
	fronts [2]*front // loops, goroutines
	nodes  [2]*node  // of "work"
	answer atomic.Pointer[answer]
	golden *golden     // what both are held to; nil: to each other
	broken atomic.Bool // handlers of "work" go without an answer
}

var wayNames = [2]string{"loops", "goroutines"}

// startPair starts them. Handlers answer as p.answer says, which is echo first.
func startPair(t testing.TB, opts Options) *wayPair {
	t.Helper()
	small, read, nobody, slow, single, work := prefix("/small", "work"), prefix("/read", "work"), prefix("/nobody", "nobody"),
		prefix("/slow", "work"), prefix("/single", "single"), prefix("/w", "work")
	small.MaxBody = 10
	read.Match.Methods = []string{"GET", "OPTIONS"}
	slow.Timeout = registry.Duration(30 * time.Millisecond)
	work.MaxBody = 8 << 20
	p := &wayPair{}
	p.reply(echoRequest)
	for i := range p.fronts {
		opts.EventLoops = [2]int{2, -1}[i]
		f := startFront(t, opts, small, read, nobody, slow, single, work)
		a := func(req *httpmsg.Request, r *nanobus.Request) {
			if p.broken.Load() {
				_ = p.nodes[i].Close()
				return
			}
			(*p.answer.Load())(req, r)
		}
		p.nodes[i] = f.work(t, "w1", a)
		f.node(t, "single", "s1", 1, a)
		p.fronts[i] = f
	}
	return p
}

func (p *wayPair) reply(a answer) { p.answer.Store(&a) }

// echoRequest answers with all that has reached the handler.
func echoRequest(req *httpmsg.Request, r *nanobus.Request) {
	sum := digest(discardErrors{}, whole(req, r))
	resp := &httpmsg.Response{}
	resp.Body = fmt.Appendf(nil, "%s %s %s %q?%q from %s, length %d\n%s\n", req.Method, req.Scheme, req.Host, req.Path, req.Query, req.Client, req.Length, sum)
	for _, f := range req.Header {
		resp.Body = fmt.Appendf(resp.Body, "%s: %s\n", f.Name, f.Value)
	}
	resp.Set("content-type", "text/plain")
	respond(r, resp)
}

// discardErrors is a testing.TB for helpers that can't fail.
type discardErrors struct{ testing.TB }

func (discardErrors) Helper() {}

// rawResponse is a response as it stood on the wire, without what differs
// from one to the next: date and ids.
type rawResponse struct {
	line   string
	fields string // sorted, names in lower case
	body   string
}

var madeRequestID = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// status is that of the status line.
func (r *rawResponse) status() int {
	n, _ := strconv.Atoi(strings.Fields(r.line + " 0 0")[1])
	return n
}

// readRaw reads one response to a request of the method.
func readRaw(r *bufio.Reader, method string) (*rawResponse, error) {
	var resp rawResponse
	var fields []string
	length, chunked, dates := -1, false, 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if len(fields) > 0 || resp.line != "" || line != "" {
				err = fmt.Errorf("%w within the head", err)
			}
			return nil, err
		}
		line, ok := strings.CutSuffix(line, "\r\n")
		if !ok {
			return nil, fmt.Errorf("a line that ends in LF: %q", line)
		}
		if resp.line == "" {
			if resp.line = line; !strings.HasPrefix(line, "HTTP/1.1 ") {
				return nil, fmt.Errorf("not a status line: %q", line)
			}
			continue
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("not a field line: %q", line)
		}
		switch name = strings.ToLower(name); name {
		case "date":
			dates++
			if _, err := time.Parse(time.RFC1123, value); err != nil {
				return nil, err
			}
			continue
		case "retry-after":
			if len(value) == 1 && "1" <= value && value <= "3" { // it differs from one to the next
				value = "1"
			}
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil {
				return nil, err
			}
		case "transfer-encoding":
			chunked = true
		}
		fields = append(fields, name+": "+madeRequestID.ReplaceAllString(value, "ID"))
	}
	fields = append(fields, fmt.Sprint(dates, " dates"))
	slices.Sort(fields)
	resp.fields = strings.Join(fields, "\n")
	var err error
	var body []byte
	switch status := resp.status(); {
	case method == "HEAD" || status < 200 || status == 204 || status == 304:
	case chunked:
		body, err = readChunks(r)
	case length >= 0:
		body = make([]byte, length)
		_, err = io.ReadFull(r, body)
	default:
		body, err = io.ReadAll(r)
	}
	if resp.body = string(body); len(body) < 8<<10 { // a larger one repeats no header
		resp.body = madeRequestID.ReplaceAllString(resp.body, "ID")
	}
	return &resp, err
}

func readChunks(r *bufio.Reader) (body []byte, err error) {
	for {
		var size int
		if _, err := fmt.Fscanf(r, "%x\r\n", &size); err != nil {
			return body, err
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return body, err
		}
		if body = append(body, chunk[:size]...); size == 0 {
			return body, nil
		}
	}
}

// exchange sends the bytes and reads the responses to the methods; then it
// finds out whether the connection goes on.
func (f *front) exchange(t testing.TB, request string, methods ...string) (responses []*rawResponse, goesOn bool, err error) {
	t.Helper()
	c := f.dial(t)
	defer func() { _ = c.Close() }()
	wrote := make(chan struct{})
	defer func() { _ = c.Close(); <-wrote }() // refused early, not all of it may be taken
	go func() {
		defer close(wrote)
		_, _ = io.WriteString(c, request)
	}()
	for _, m := range methods {
		r, err := readRaw(c.r, m)
		for err == nil && r.status() == 100 {
			responses = append(responses, r)
			r, err = readRaw(c.r, m)
		}
		if err != nil {
			return responses, false, err
		}
		responses = append(responses, r)
	}
	if _, err := io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); err != nil {
		return responses, false, nil //nolint:nilerr // it has ended
	}
	r, err := readRaw(c.r, "GET")
	var network *net.OpError
	if errors.Is(err, io.EOF) || errors.As(err, &network) && !network.Timeout() {
		return responses, false, nil
	}
	if err == nil && r.status() == 0 {
		err = errors.New("something else than a response")
	}
	return responses, err == nil, err
}

// same sends the bytes to both fronts and compares what comes back.
func (p *wayPair) same(t *testing.T, request string, methods ...string) []*rawResponse {
	t.Helper()
	var got [2][]*rawResponse
	var texts [2]string
	for i, f := range p.fronts {
		responses, goesOn, err := f.exchange(t, request, methods...)
		if err != nil {
			t.Errorf("%s: after %d responses: %v", wayNames[i], len(responses), err)
		}
		var b strings.Builder
		for _, r := range responses {
			body := r.body
			if len(body) > 2000 {
				body = short(ascii(body))
			}
			fmt.Fprintf(&b, "%s\n%s\n\n%s (%d bytes)\n", r.line, r.fields, body, len(r.body))
		}
		fmt.Fprintf(&b, "goes on: %v\n", goesOn)
		got[i], texts[i] = responses, b.String()
	}
	if texts[0] != texts[1] {
		t.Errorf("%.500q:\n--- by loops\n%.4000s\n--- by goroutines\n%.4000s", request, texts[0], texts[1])
		return nil
	}
	if p.golden != nil {
		p.golden.check(t, request, texts[0])
	}
	return got[0]
}
