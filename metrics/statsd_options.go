package metrics

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cactus/go-statsd-client/v5/statsd"
	"github.com/rs/zerolog"
)

// Defaults and bounds of [StatsdOptions].
const (
	DefaultStatsdAddr     = "127.0.0.1:8125"
	DefaultStatsdInterval = 2 * time.Second
	DefaultStatsdFlush    = 10 * time.Second
	DefaultStatsdPrefix   = "nanofront"

	MinStatsdInterval = 100 * time.Millisecond
	MaxStatsdInterval = time.Minute
	MaxStatsdFlush    = 10 * time.Minute

	maxStatsdPrefix = 100
	// maxReports is how many reports there may be in a flush.
	maxReports = 100
)

// The values of [StatsdOptions].Tags.
const (
	StatsdPlain     = "none"
	StatsdDogStatsD = "dogstatsd"
	StatsdInfluxDB  = "influxdb"
)

// ErrStatsdOptions tells that a [Reporter] can't be made of its options.
var ErrStatsdOptions = errors.New("metrics: invalid StatsD options")

// StatsdOptions says where and how a [Reporter] reports.
type StatsdOptions struct {
	// Addr is the server's UDP address, "host:port". Empty: report nothing.
	Addr string
	// Interval is how often, MinStatsdInterval to MaxStatsdInterval: a divisor
	// of Flush. 0 is DefaultStatsdInterval, or Flush if that is shorter.
	Interval time.Duration
	// Flush is how often the server passes on what it has, up to
	// MaxStatsdFlush; 0 is DefaultStatsdFlush, or Interval if that is longer.
	Flush time.Duration
	// Prefix is what names begin with: words of letters, digits, '-' and '_',
	// with dots between them. Empty is DefaultStatsdPrefix.
	Prefix string
	// Tags is how lines say of what a value is: StatsdPlain, and empty, by
	// names alone; StatsdDogStatsD and StatsdInfluxDB by tags, as those do.
	Tags string
	// Name takes the place of the instance's name in what is sent, once it
	// returns one; until then nothing is sent. nil: the instance's name.
	Name func() string
	// Sample is the share of durations, 0 to 1, that is sent one by one besides
	// the percentiles; 0 sends none.
	Sample float64
	// May, if set, is asked before each packet: without leave nothing is sent, and nothing is lost.
	May func() bool
	// Optional says that nobody has asked for a server: that there is none is said once, as
	// information.
	Optional bool
	// Logger is told, at most once a minute, that lines are lost.
	Logger zerolog.Logger
}

// complete checks the options and fills in what is left out.
func (o *StatsdOptions) complete() error {
	bad := func(flag, format string, args ...any) error {
		return fmt.Errorf("%w: --statsd-%s: %s", ErrStatsdOptions, flag, fmt.Sprintf(format, args...))
	}
	if o.Interval == 0 {
		o.Interval = DefaultStatsdInterval
		if o.Flush > 0 {
			o.Interval = min(o.Interval, o.Flush)
		}
	}
	if o.Interval < MinStatsdInterval || o.Interval > MaxStatsdInterval {
		return bad("interval", "%s: want %s to %s", o.Interval, MinStatsdInterval, MaxStatsdInterval)
	}
	if o.Flush == 0 {
		o.Flush = max(DefaultStatsdFlush, o.Interval)
	}
	if o.Flush < MinStatsdInterval || o.Flush > MaxStatsdFlush {
		return bad("flush", "%s: want %s to %s", o.Flush, MinStatsdInterval, MaxStatsdFlush)
	}
	if o.Flush%o.Interval != 0 || o.Flush/o.Interval > maxReports {
		return bad("interval", "%s: want a divisor of --statsd-flush, %s, such as %s, and a %dth of it at least", o.Interval, o.Flush, o.divisor(), maxReports)
	}
	if o.Prefix == "" {
		o.Prefix = DefaultStatsdPrefix
	}
	if err := CheckStatsdPrefix(o.Prefix); err != nil {
		return bad("prefix", "%v", err)
	}
	switch o.Tags {
	case "", StatsdPlain, StatsdDogStatsD, StatsdInfluxDB:
	default:
		return bad("tags", "%q: want %s, %s or %s", o.Tags, StatsdPlain, StatsdDogStatsD, StatsdInfluxDB)
	}
	if !(o.Sample >= 0 && o.Sample <= 1) { // NaN too
		return bad("sample", "%v: want 0 to 1", o.Sample)
	}
	return nil
}

// divisor is the divisor of the flush that is next to the interval, of those that people would
// choose.
func (o *StatsdOptions) divisor() time.Duration {
	best := o.Flush
	for n := range time.Duration(maxReports) {
		if d := o.Flush / (n + 1); o.Flush%(n+1) == 0 && d%(10*time.Millisecond) == 0 && d >= MinStatsdInterval &&
			(d-o.Interval).Abs() < (best-o.Interval).Abs() {
			best = d
		}
	}
	return best
}

// window is how many reports percentiles are of: see statsdWindow. One more than is needed makes up
// for a report that is lost, or comes too late.
func (o *StatsdOptions) window() int { return int(o.Flush/o.Interval) + 2 }

func (o *StatsdOptions) format() statsd.TagFormat {
	if o.Tags == StatsdInfluxDB {
		return statsd.InfixComma
	}
	return statsd.SuffixOctothorpe
}

func (o *StatsdOptions) tagged() bool { return o.Tags == StatsdDogStatsD || o.Tags == StatsdInfluxDB }

// CheckStatsdAddr says what is wrong with a server's address, if anything.
func CheckStatsdAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && host != "" {
		if n, perr := strconv.ParseUint(port, 10, 16); perr == nil && n > 0 {
			return nil
		}
	}
	return fmt.Errorf("%q is not host:port with a port from 1 to 65535 (empty turns StatsD off)", addr)
}

// CheckStatsdPrefix says what is wrong with a prefix of names, if anything.
func CheckStatsdPrefix(prefix string) error {
	words := strings.Split(prefix, ".")
	if len(prefix) > maxStatsdPrefix || slices.ContainsFunc(words, func(w string) bool { return w == "" || clean(w) != w }) {
		return fmt.Errorf("%q: want words of letters, digits, '-' and '_' with dots between them, %d bytes at most", prefix, maxStatsdPrefix)
	}
	return nil
}
