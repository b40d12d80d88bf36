package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"nanofront/bench/load"
	"nanofront/metrics"
)

// Counts are what became of requests. Each is in one of them.
type Counts struct {
	Sent, Answered, Refused, TimedOut, Failed uint64
}

// Lost is what was neither answered nor refused.
func (c *Counts) Lost() uint64 { return c.TimedOut + c.Failed }

// plus is the sum of both.
func (c Counts) plus(o Counts) Counts {
	return Counts{c.Sent + o.Sent, c.Answered + o.Answered, c.Refused + o.Refused, c.TimedOut + o.TimedOut, c.Failed + o.Failed}
}

// countsOf sorts what a load has seen.
func countsOf(r *load.Result) Counts {
	c := Counts{Sent: r.Sent, Answered: r.OK}
	for status, n := range r.Statuses {
		switch {
		case status < 300:
		case status == http.StatusServiceUnavailable:
			c.Refused += n
		case status == http.StatusGatewayTimeout:
			c.TimedOut += n
		default:
			c.Failed += n
		}
	}
	for cause := range r.Errors {
		switch load.Cause(cause) {
		case load.CauseStatus: // sorted by status
		case load.CauseTimeout:
			c.TimedOut += r.Errors[cause]
		default:
			c.Failed += r.Errors[cause]
		}
	}
	return c
}

// torn is how many requests had no complete response: the front may have counted them, or never
// have seen them.
func torn(r *load.Result) uint64 { return r.Errors.Total() - r.Errors[load.CauseStatus] }

// front is what the terminator has counted.
type front struct{ requests, statuses, timeouts, copies uint64 }

// frontCounts asks the terminator.
func frontCounts(ctx context.Context, admin string) (f front, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics.json", nil)
	if err != nil {
		return f, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return f, fmt.Errorf("chaos: the front's figures: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return f, err
	}
	var r metrics.Report
	if err := json.Unmarshal(body, &r); err != nil {
		return f, fmt.Errorf("chaos: the front's figures: %w", err)
	}
	for name, c := range r.Counters {
		if strings.HasPrefix(name, "http.status.") && name != "http.status.1xx" {
			f.statuses += c.Value
		}
		if strings.HasPrefix(name, "bus.copies.") {
			f.copies += c.Value
		}
	}
	f.requests, f.timeouts = r.Counters["http.requests"].Value, r.Counters["http.timeouts"].Value
	return f, nil
}

func (f front) since(before front) front {
	return front{f.requests - before.requests, f.statuses - before.statuses, f.timeouts - before.timeouts, f.copies - before.copies}
}

// check holds the books of all sides against each other, and says what is wrong.
func check(reads, writes *load.Result, f *front, b *book) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for name, r := range map[string]*load.Result{"reads": reads, "writes": writes} {
		c := countsOf(r)
		if sum := c.Answered + c.Refused + c.TimedOut + c.Failed; sum != c.Sent {
			bad("of %d %s that were sent, %d have an outcome", c.Sent, name, sum)
		}
		if r.Stray > 0 {
			bad("%d answers to %s that nobody had asked for", r.Stray, name)
		}
	}
	w := countsOf(writes)
	if len(b.Twice) > 0 {
		bad("%d writes were done twice, such as number %d", len(b.Twice), b.Twice[0])
	}
	if done := uint64(b.Done); done < w.Answered || done > w.Sent-w.Refused {
		bad("%d writes were done; %d were answered, and of %d that were sent %d were refused", done, w.Answered, w.Sent, w.Refused)
	}
	if f == nil {
		return wrong
	}
	sent, complete := reads.Sent+writes.Sent, reads.Sent+writes.Sent-torn(reads)-torn(writes)
	if f.requests > sent || f.requests < complete {
		bad("the front has %d requests; %d were sent, and %d have a response", f.requests, sent, complete)
	}
	if f.statuses > f.requests || f.statuses < complete {
		bad("the front has %d responses to %d requests; %d were received", f.statuses, f.requests, complete)
	}
	if timeouts := reads.Statuses[http.StatusGatewayTimeout] + writes.Statuses[http.StatusGatewayTimeout]; f.timeouts < timeouts {
		bad("the front has %d timeouts, and %d were received", f.timeouts, timeouts)
	}
	return wrong
}
