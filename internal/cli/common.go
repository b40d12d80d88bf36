package cli

import (
	"cmp"
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"nanofront/internal/admin"
	"nanofront/internal/buildinfo"
	"nanofront/internal/logging"
	"nanofront/internal/prometheus"
	"nanofront/internal/slots"
	"nanofront/metrics"
)

// DefaultAdmin is the default of --admin where a program says nothing else.
const DefaultAdmin = "127.0.0.1:8081"

// Common are the flags that every program has which serves. Embed it.
type Common struct {
	Admin          string        `group:"Logs and metrics" default:"${admin}" type:"optaddr" placeholder:"ADDR" help:"Address of the admin port: health, metrics, profiles. Empty turns it off."`
	AdminAnnounce  string        `group:"Logs and metrics" placeholder:"ADDR" help:"Admin address to announce, HOST or HOST:PORT, if others must use a different one."`
	AdminHosts     []string      `group:"Logs and metrics" sep:"," placeholder:"NAMES" help:"Further names that requests may call the admin port by, or * for any. IP addresses, localhost and this machine's names need none."`
	System         string        `group:"Logs and metrics" placeholder:"NAME" help:"Name of the system that this process is a part of, in tables, pages and metrics. Default: after --etcd-prefix."`
	Statsd         string        `group:"Logs and metrics" default:"127.0.0.1:8125" type:"server" placeholder:"ADDR" help:"StatsD server, host:port (UDP). Empty turns StatsD off."`
	StatsdInterval time.Duration `group:"Logs and metrics" default:"2s" range:"100ms..1m" placeholder:"DURATION" help:"Interval of reports to StatsD, 100ms to 1m: a divisor of --statsd-flush."`
	StatsdFlush    time.Duration `group:"Logs and metrics" default:"10s" range:"100ms..10m" placeholder:"DURATION" help:"The StatsD server's flush interval, 100ms to 10m. Percentiles are of this time and two reports."`
	StatsdPrefix   string        `group:"Logs and metrics" default:"nanofront" placeholder:"PREFIX" help:"What names in StatsD begin with."`
	StatsdTags     string        `group:"Logs and metrics" default:"none" oneof:"none,dogstatsd,influxdb" placeholder:"DIALECT" help:"How StatsD lines say of what a value is: by names (none), or by tags, as dogstatsd or influxdb have them."`
	StatsdName     string        `group:"Logs and metrics" placeholder:"NAME" help:"Name of this process in StatsD. Default: --instance, or else the role, the host's name, and the lowest number that no other such process on the machine has."`
	StatsdSample   float64       `group:"Logs and metrics" default:"0" range:"0..1" placeholder:"SHARE" help:"Share of individual timings sent to StatsD too, 0 to 1."`
	LogLevel       string        `group:"Logs and metrics" default:"info" oneof:"debug,info,warn,error,off" placeholder:"LEVEL" help:"Lowest level that is logged: debug, info, warn, error or off."`
	LogFormat      string        `group:"Logs and metrics" default:"auto" oneof:"auto,json,console" placeholder:"FORMAT" help:"Format of log lines: json, console, or auto (console on a terminal)."`

	statsdAsked bool   // for a server; else there need not be one at the default address
	role        string // whose name was drawn: NameBySlot

	// AdminListener, if set, is served in place of listening on Admin.
	AdminListener *net.TCPListener `kong:"-"`

	DrainTimeout time.Duration `default:"10s" range:"0s..1h" placeholder:"DURATION" help:"Time for requests in flight to finish at shutdown, 0s to 1h."`
}

// Validate is called by kong.
func (c *Common) Validate(k *kong.Context) error {
	_, c.statsdAsked = os.LookupEnv(variable("statsd"))
	for _, p := range k.Path {
		c.statsdAsked = c.statsdAsked || p.Flag != nil && p.Flag.Name == "statsd"
	}
	return nil
}

// Base is what runs beside every program: log, metrics, admin port.
type Base struct {
	Log     zerolog.Logger
	Metrics *metrics.Set
	// Admin is nil if --admin is empty.
	Admin *admin.Server

	system    string // as --system says
	announced string // the admin address for others; empty: none

	slot  *slots.Slot // nil: none
	logs  *logging.Log
	stop  context.CancelFunc
	loops sync.WaitGroup
	once  sync.Once
	err   error
}

// NameBySlot says that the instance's name, of a role, is drawn and lasts for one run. In StatsD,
// where each name stays for months, the process goes by a number of its machine instead, unless it
// is told a name.
func (c *Common) NameBySlot(role string) { c.role = role }

// statsdName is the name in StatsD, and the number that is a part of it, if one is.
func (c *Common) statsdName(instance string) (name string, slot *slots.Slot, err error) {
	switch {
	case c.StatsdName != "":
		return c.StatsdName, nil, nil
	case c.role == "" || c.Statsd == "":
		return instance, nil, nil
	}
	slot, err = slots.Take(slots.Dir(), c.role)
	if err != nil {
		return instance, nil, err
	}
	host, _ := os.Hostname() // without one the role and the number have to do
	host, _, _ = strings.Cut(host, ".")
	return strings.Trim(c.role+"-"+host, "-") + "-" + strconv.Itoa(slot.Number), slot, nil
}

// Start starts what the flags ask for, in the name of a program and an instance, which may be
// empty, and calls [Outlive]. ready is [admin.Options].Ready; it may be nil. The caller must Close
// the Base, as the last thing that it does.
func (c *Common) Start(program, instance string, ready func() []string) (*Base, error) {
	Outlive()
	if err := c.checkAnnouncement(); err != nil {
		return nil, err
	}
	set := metrics.New(program, instance)
	set.AddProcess()
	logs, err := logging.New(logging.Options{Level: c.LogLevel, Format: c.LogFormat, Dropped: set.Counter(metrics.LogDropped)})
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	with := logs.Logger().With().Str(logging.Program, program)
	if instance != "" {
		with = with.Str(logging.Instance, instance)
	}
	b := &Base{Log: with.Logger(), Metrics: set, system: c.System, logs: logs}
	name, slot, err := c.statsdName(instance)
	if err != nil {
		b.Log.Warn().Err(err).Msg("the name in StatsD is one of this run only; --statsd-name or --instance gives a lasting one")
	}
	b.slot = slot
	reporter, err := metrics.NewReporter(set, metrics.StatsdOptions{
		Name:     func() string { return cmp.Or(name, "-") },
		Addr:     c.Statsd,
		Interval: c.StatsdInterval,
		Flush:    c.StatsdFlush,
		Prefix:   c.StatsdPrefix,
		Tags:     c.StatsdTags,
		Sample:   c.StatsdSample,
		Optional: !c.statsdAsked,
		Logger:   b.Log,
	})
	if err != nil {
		_ = logs.Close() // nothing was logged
		return nil, &UsageError{Err: err}
	}
	if c.Admin != "" {
		b.Admin, err = admin.Start(c.Admin, admin.Options{Metrics: set, Ready: ready, Hosts: c.adminHosts(), Logger: b.Log, Listener: c.AdminListener})
		if err != nil {
			_ = logs.Close() // as above
			return nil, err
		}
		b.Admin.Handle("/metrics", prometheus.Handler(set))
		b.announced = c.announced(b.Admin.Addr())
	}
	logs.TakeStandard()
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.loops.Go(func() { set.Run(ctx) })
	b.loops.Go(func() { reporter.Run(ctx) })
	b.Log.Debug().Str(logging.Version, buildinfo.Get().String()).Msg("started")
	return b, nil
}

// Close reports to StatsD for the last time, ends the admin port, and writes what is
// left of the log. It takes some seconds at most, and may be called again.
func (b *Base) Close() error {
	b.once.Do(func() {
		if b.Admin != nil {
			if err := b.Admin.Close(); err != nil {
				b.Log.Warn().Err(err).Msg("the admin port didn't close cleanly")
			}
		}
		b.stop()
		b.loops.Wait()
		if b.slot != nil {
			_ = b.slot.Close() // the kernel does it otherwise
		}
		b.err = b.logs.Close()
	})
	return b.err
}

// Reasons is what a program's readiness check returned, as the lines that
// /readyz shows; none for nil.
func Reasons(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}
