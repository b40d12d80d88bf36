package chaos

import (
	"strings"
	"testing"

	"nanofront/bench/load"
)

// loadOf is a load of which so many were answered, and others not.
func loadOf(ok, refused, timedOut, failed, torn uint64) *load.Result {
	r := &load.Result{}
	r.Sent, r.OK = ok+refused+timedOut+failed+torn, ok
	r.Statuses[200], r.Statuses[503], r.Statuses[504], r.Statuses[502] = ok, refused, timedOut, failed
	r.Errors[load.CauseStatus] = refused + timedOut + failed
	r.Errors[load.CauseReset] = torn
	return r
}

func TestCheck_FindsWhatIsWrong(t *testing.T) {
	sane := func() (reads, writes *load.Result, f *front, b *book) {
		return loadOf(1000, 20, 3, 2, 1), loadOf(200, 5, 2, 1, 1), &front{requests: 1234, statuses: 1233, timeouts: 5}, &book{Done: 203}
	}
	for _, c := range []struct {
		name, want string
		change     func(reads, writes *load.Result, f *front, b *book)
	}{
		{"nothing", "", func(_, _ *load.Result, _ *front, _ *book) {}},
		{"a request without an outcome", "have an outcome", func(r, _ *load.Result, _ *front, _ *book) { r.Sent++ }},
		{"an answer too many", "nobody had asked", func(_, w *load.Result, _ *front, _ *book) { w.Stray = 1 }},
		{"a write done twice", "done twice, such as number 7", func(_, _ *load.Result, _ *front, b *book) { b.Twice = []uint64{7} }},
		{"a write that was answered and isn't there", "writes were done", func(_, _ *load.Result, _ *front, b *book) { b.Done = 199 }},
		{"a write that was refused and is there", "writes were done", func(_, _ *load.Result, _ *front, b *book) { b.Done = 205 }},
		{"a request that the front has invented", "the front has 1236 requests", func(_, _ *load.Result, f *front, _ *book) { f.requests = 1236 }},
		{"a request that the front has forgotten", "the front has 1232 requests", func(_, _ *load.Result, f *front, _ *book) { f.requests, f.statuses = 1232, 1232 }},
		{"a response that the front hasn't counted", "the front has 1232 responses", func(_, _ *load.Result, f *front, _ *book) { f.statuses = 1232 }},
		{"a timeout that the front hasn't counted", "the front has 4 timeouts", func(_, _ *load.Result, f *front, _ *book) { f.timeouts = 4 }},
	} {
		reads, writes, f, b := sane()
		c.change(reads, writes, f, b)
		got := strings.Join(check(reads, writes, f, b), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRow_Unexpected(t *testing.T) {
	r := Row{Fault: &Fault{Expect: unharmed}, Reads: countsOf(loadOf(980, 20, 0, 0, 0)), Writes: countsOf(loadOf(200, 0, 0, 0, 0))}
	if got := r.unexpected(1); len(got) > 0 {
		t.Errorf("what may be is complained of: %v", got)
	}
	r.Reads, r.Back = countsOf(loadOf(950, 40, 1, 0, 1)), 3e9
	if got := strings.Join(r.unexpected(1), "; "); got != "2 reads were lost, 0 may be; 3.4 % were refused, 2.0 % may be; requests were refused or lost for another 3s, 2s may be" {
		t.Errorf("got %q", got)
	}
	r.Fault = &Fault{Expect: Expectation{ReadsLost: 1, WritesLost: Any, Refused: 1}}
	if got := r.unexpected(2); len(got) > 0 {
		t.Errorf("at twice the rate: %v", got)
	}
}

func TestOutcome_HTML(t *testing.T) {
	o := Outcome{Rate: 1000, Rows: []Row{
		{Fault: &Fault{Name: "cost <nothing>"}},
		{Fault: &Fault{Name: "cost much"}, Costs: []string{"2 reads were lost"}},
		{Fault: &Fault{Name: "impossible"}, Skipped: "no root"},
	}}
	var b strings.Builder
	if err := o.HTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 of 2 faults", "cost &lt;nothing&gt;", "TOO MUCH", "2 reads were lost", "left out: no root"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
