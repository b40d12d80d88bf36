package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/recording"
	engine "nanofront/internal/replay"
	"nanofront/internal/terminal"
	"nanofront/nanobus/busflags"
)

// The exit codes besides those of all commands.
const (
	exitDiffers = 3
	exitLate    = 4
)

// perWorker is how many requests a second one thread sends before there is a second one.
const perWorker = 60_000

// Command is nanofront replay.
type Command struct {
	cli.Discovery
	busflags.Flags
	File string `arg:"" type:"path" placeholder:"FILE" help:"The recording, of nanofront record."`
	URL  string `arg:"" optional:"" name:"url" placeholder:"URL" help:"The front to send to. Default: http://127.0.0.1:8080."`

	Service  string `group:"Target" placeholder:"NAME" help:"Send to this service over the bus, in place of a front: all of its requests in the recording, whoever has sent them."`
	Instance string `group:"Target" placeholder:"NAME" help:"Send to this instance of --service only."`
	Remote   bool   `group:"Target" help:"Allow a target on another machine. Such a system may have users."`

	Speed     float64  `group:"Pace" default:"1" range:"0.001..1000" placeholder:"TIMES" help:"How many times as fast as it was recorded, 0.001 to 1000."`
	FlatOut   bool     `group:"Pace" help:"Send the next request as soon as a connection is free, in place of the recorded times."`
	RateLimit float64  `group:"Pace" default:"0" range:"0..10000000" placeholder:"N" help:"Send at most so many requests a second, whatever was recorded; 0 for no limit."`
	From      string   `group:"Pace" placeholder:"TIME" help:"Begin there: a duration after the beginning of the recording, such as 30s, or a time, such as 2030-01-02T15:04:05Z."`
	Until     string   `group:"Pace" placeholder:"TIME" help:"End there, as --from."`
	Loop      int      `group:"Pace" default:"1" range:"1..1000" placeholder:"N" help:"Replay it so many times, one after the other, 1 to 1000."`
	Unsafe    []string `sep:"," placeholder:"METHODS" help:"Methods to send besides GET, HEAD and OPTIONS, such as POST,DELETE: they may change data, once more for each request in the recording. Bodies were not recorded: text of the same length stands in for them."`

	Connections int           `default:"256" range:"1..10000" placeholder:"N" help:"Requests under way at once at most, each on a connection of its own, 1 to 10000."`
	Timeout     time.Duration `default:"5s" range:"1ms..10m" placeholder:"DURATION" help:"Total time for a request, 1ms to 10m."`

	Compare []string      `sep:"," default:"status,size,body,content-type" placeholder:"WHAT" help:"What of answers is compared: status, size (of the body), body (needs --key-file), and names of header fields, 8 at most."`
	KeyFile string        `type:"path" placeholder:"FILE" help:"Key of the recording's pseudonyms, if it was recorded with one: bodies and replaced values can be compared with it."`
	MaxLate time.Duration `default:"10ms" range:"10us..10m" placeholder:"DURATION" help:"How late 1 % of the requests may leave, compared with the recording's times, before nothing is claimed about latencies and the exit code is 4."`
	Samples int           `default:"3" range:"0..100" placeholder:"N" help:"Requests that differ to show of each route, 0 to 100."`
	JSON    bool          `name:"json" help:"Print one JSON object."`
}

// Examples implements cli.Exampler.
func (*Command) Examples() [][2]string {
	return [][2]string{
		{"nanofront replay monday.nfrec", "To the front on this machine, at the recorded pace."},
		{"nanofront replay monday.nfrec http://127.0.0.1:9080 --speed 2", "To another front, twice as fast."},
		{"nanofront replay monday.nfrec --service web --instance web-2 --from 30s --until 1m", "Half a minute of it, to one instance."},
	}
}

// Run implements command.
func (c *Command) Run(ctx context.Context, std cli.IO) error {
	if err := c.check(); err != nil {
		return err
	}
	r, err := recording.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	header := r.Header()
	o := engine.Options{
		Source: r, Speed: c.Speed, RateLimit: c.RateLimit, Loop: c.Loop, Connections: c.Connections, Timeout: c.Timeout,
		Compare: c.Compare, MaxLate: c.MaxLate, Samples: c.Samples, Select: engine.Select{Unsafe: c.Unsafe},
	}
	if c.FlatOut {
		o.Speed = 0
	}
	if o.Redact, err = c.redact(&header); err != nil {
		return err
	}
	summary, whole := r.Summary()
	if err := c.times(&o.Select, &summary); err != nil {
		return err
	}
	o.Workers = workers(&o, &summary)
	to, err := c.target(ctx, &o)
	if err != nil {
		return err
	}
	defer to.close()
	f := file{name: c.File, header: header, summary: summary, whole: whole}
	if !c.JSON {
		f.say(std.Err, to, c)
	}
	p := newProgress(std.Err, span(&o, &summary))
	result, err := engine.Run(ctx, o, p.show)
	p.end()
	if err != nil {
		return describe(err, c.Service)
	}
	f.late = r.Late()
	if c.JSON {
		err = printJSON(std.Out, &f, to, c, result)
	} else {
		printResult(terminal.ScreenOf(std.Out), &f, to, c, result)
	}
	if err != nil {
		return err
	}
	return verdict(result)
}

// check looks at what one flag alone doesn't show.
func (c *Command) check() error {
	switch {
	case c.URL != "" && c.Service != "":
		return cli.Usagef("%s is a front, and --service %s is reached over the bus: give one of them", c.URL, c.Service)
	case c.Instance != "" && c.Service == "":
		return cli.Usagef("--instance %s: of which service? Give --service too", c.Instance)
	case c.FlatOut && c.Speed != 1:
		return cli.Usagef("--flat-out and --speed %v exclude each other", c.Speed)
	}
	for i, m := range c.Unsafe {
		c.Unsafe[i] = strings.ToUpper(m)
		if !slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, c.Unsafe[i]) {
			return cli.Usagef("--unsafe: %q is not one of POST, PUT, PATCH, DELETE", m)
		}
	}
	for i, what := range c.Compare {
		c.Compare[i] = strings.ToLower(what)
	}
	return nil
}

// redact says how answers are to be treated, so that they can be compared; nil without the key.
func (c *Command) redact(h *recording.Header) (*recording.RedactOptions, error) {
	if c.KeyFile == "" {
		return nil, nil //nolint:nilnil // as replay.Options has it
	}
	if !h.KeyKept {
		return nil, cli.Usagef("--key-file: the key of %s was thrown away when it was recorded: only a recording with a key of one's own can be compared by it", c.File)
	}
	key, err := recording.ReadKey(c.KeyFile)
	if err != nil {
		return nil, cli.Usagef("--key-file: %w", err)
	}
	o := &recording.RedactOptions{Key: key, Paths: h.Paths, KeepFields: h.KeptFields, KeepQuery: h.KeptQuery, KeepIDs: h.KeptIDs}
	red, err := recording.NewRedactor(*o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if red.KeyID() != h.KeyID {
		return nil, cli.Usagef("--key-file: %s is key %s, and %s was recorded with key %s", c.KeyFile, red.KeyID(), c.File, h.KeyID)
	}
	return o, nil
}

// times sets the part of the recording that is meant.
func (c *Command) times(s *engine.Select, sum *recording.Summary) (err error) {
	begin := time.Unix(0, sum.First)
	if s.From, err = instant("from", c.From, begin); err != nil {
		return err
	}
	if s.Until, err = instant("until", c.Until, begin); err != nil {
		return err
	}
	end := time.Unix(0, sum.Last)
	switch {
	case !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until):
		return cli.Usagef("--from %s is not before --until %s", c.From, c.Until)
	case s.From.After(end):
		return cli.Usagef("--from %s: the recording ends before that, at %s, after %s", c.From, end.UTC().Format(time.RFC3339), terminal.Duration(end.Sub(begin)))
	case !s.Until.IsZero() && s.Until.Before(begin):
		return cli.Usagef("--until %s: the recording begins after that, at %s", c.Until, begin.UTC().Format(time.RFC3339))
	}
	return nil
}

// instant is a time, or a duration after the beginning.
func instant(flag, text string, begin time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return begin.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, cli.Usagef("--%s: %q is neither a duration, such as 30s or 1m30s, nor a time, such as 2030-01-02T15:04:05Z", flag, text)
	}
	return t, nil
}

// workers is how many threads are to send.
func workers(o *engine.Options, s *recording.Summary) int {
	if o.Speed == 0 {
		return runtime.GOMAXPROCS(0)
	}
	seconds := time.Duration(max(s.Last-s.First, 1)).Seconds()
	rate := float64(s.Records) / seconds * o.Speed
	return int(max(1, min(math.Ceil(rate/perWorker), float64(runtime.GOMAXPROCS(0)))))
}

// span is how long the replay will take; 0: that isn't known.
func span(o *engine.Options, s *recording.Summary) time.Duration {
	if o.Speed == 0 {
		return 0
	}
	first, last := time.Unix(0, s.First), time.Unix(0, s.Last)
	if o.Select.From.After(first) {
		first = o.Select.From
	}
	if u := o.Select.Until; !u.IsZero() && u.Before(last) {
		last = u
	}
	return time.Duration(float64(last.Sub(first)) / o.Speed * float64(max(o.Loop, 1)))
}

// describe adds what to do to an error.
func describe(err error, service string) error {
	if errors.Is(err, engine.ErrNothing) && strings.Contains(err.Error(), "another service or hop") {
		if service != "" {
			return fmt.Errorf("%w: none is of service %s", err, service)
		}
		return fmt.Errorf("%w, and none was sent by a front: replay them to their service, with --service", err)
	}
	return err
}

// verdict is what the exit code says.
func verdict(r *engine.Result) error {
	t := &r.Total
	switch {
	case r.Differs():
		text := fmt.Sprintf("of %s %s other answers than recorded", terminal.Count(t.Requests, "request"), have(t.Differ))
		if n := t.Failed.Total(); n > 0 {
			text += fmt.Sprintf(", and %s none", have(n))
		}
		return &cli.CodeError{Code: exitDiffers, Err: errors.New(text)}
	case r.TooLate:
		return &cli.CodeError{Code: exitLate, Err: errors.New("the replay was too late, so nothing is claimed about latencies: " + remedy(r))}
	case r.Interrupted:
		return context.Canceled
	}
	return nil
}

// have is a number of requests with its verb.
func have(n uint64) string {
	if n == 1 {
		return "1 has"
	}
	return terminal.Grouped(n) + " have"
}
