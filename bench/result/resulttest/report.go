package resulttest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/bench/result"
)

// Options of [Report]. The zero value of each is its default.
type Options struct {
	// Seed of the noise.
	Seed uint64
	// Rounds of everything that is repeated. Default 3.
	Rounds int
	// Noise is the standard deviation of a round's rate in its truth, 0.03 for 3 %. Default 0.02.
	Noise float64
}

// peer is the truth about a subject of the scenario hello.
type peer struct {
	name     string
	rate     float64 // closed loop, per second
	p50, cpu float64 // ms, µs
	tail     float64
	roles    map[string]float64 // shares of cpu
}

var peers = []peer{
	{result.Plain, 134_000, 1.7, 10.2, 0.55, map[string]float64{"plain fasthttp": 1}},
	{result.Nanofront, 108_000, 2.2, 14.1, 0.35, map[string]float64{"terminator": 0.72, "web": 0.28}},
	{"nginx", 65_200, 3.4, 24.8, 0.5, map[string]float64{"nginx": 0.6, "plain fasthttp": 0.4}},
	{"haproxy", 62_700, 3.7, 26.1, 0.45, map[string]float64{"haproxy": 0.62, "plain fasthttp": 0.38}},
	{"nats gateway", 58_900, 4.1, 28.7, 0.5, map[string]float64{"gateway": 0.4, "nats-server": 0.35, "responder": 0.25}},
	{"caddy", 10_400, 22, 161, 0.7, map[string]float64{"caddy": 0.93, "plain fasthttp": 0.07}},
}

type maker struct {
	rng  *rand.Rand
	opts Options
}

// Report makes a report with everything in it that a report can show.
func Report(opts Options) *result.Report {
	if opts.Rounds == 0 {
		opts.Rounds = 3
	}
	if opts.Noise == 0 {
		opts.Noise = 0.02
	}
	m := &maker{rng: rand.New(rand.NewPCG(opts.Seed, 1)), opts: opts} // it must be the same each time
	rep := &result.Report{
		Format:   result.Format,
		Name:     "bench run",
		Headline: "two hops: 71,000 req/s, p99 4.6 ms at 50,000 req/s offered; 1.1 × nginx's one hop; the goal is 50,000 req/s with a p99 of 10 ms",
		Started:  time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		Elapsed:  9*time.Minute + 21*time.Second,
		Environment: result.Environment{
			CPU: "AMD EPYC 7B13", Cores: 2, MemoryMB: 7950, OS: "linux/amd64", Kernel: "6.1.0-40-amd64", Go: "go1.26.0",
			Commit: "7a57c2a0b1d2", Flags: []string{"terminator --http :0 --max-in-flight 4096", "handler web", "handler profile --store pebble"},
			Autogroup: "on", Noise: result.Noise{SpinP50: 101.2, SpinP99: 131.9, SpinMax: 4120, LostPercent: 3.4},
		},
		Commands: []string{"make build", "bin/bench run --rounds 3 --json bench.json", "bin/bench report bench.json"},
		Notes:    []string{"haproxy 2.6 was found; caddy runs with its defaults but for the access log."},
	}
	for round := range opts.Rounds {
		for _, p := range peers {
			rep.Runs = append(rep.Runs, m.closed("hello", p, round+1))
		}
		rep.Runs = append(rep.Runs, m.closed("profile", peer{result.Nanofront, 71_000, 3.3, 22.9, 0.42, map[string]float64{"terminator": 0.55, "web": 0.27, "profile": 0.18}}, round+1))
	}
	for round := range opts.Rounds {
		for _, p := range peers[:4] {
			rep.Runs = append(rep.Runs, m.open("hello", p, 20_000, round+1, false))
		}
		rep.Runs = append(rep.Runs, m.open("profile", twoHops, 50_000, round+1, true))
	}
	for round := range opts.Rounds {
		for _, p := range peers[:4] {
			rep.Runs = append(rep.Runs, m.idle(p, round+1))
			for _, offered := range []float64{1_000, 5_000, 20_000, 50_000} {
				p.cpu *= 0.7 // the more come, the less is waking up
				run := m.open(result.ScenarioCost, p, offered, round+1, false)
				run.Calls = m.calls(&run, offered*2, 4)
				rep.Runs = append(rep.Runs, run)
			}
		}
	}
	for _, offered := range []float64{10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000, 80_000, 90_000} {
		rep.Runs = append(rep.Runs, m.step(result.ScenarioCurve, fmt.Sprintf("%.0f/s", offered), offered))
	}
	for _, times := range []float64{0.25, 1, 2, 4} {
		rep.Runs = append(rep.Runs, m.overload(times))
	}
	restart := m.open("restart", twoHops, 30_000, 1, true)
	restart.Events = []result.Event{{At: 6, Text: "web 1 restarted"}, {At: 14, Text: "profile 2 restarted"}, {At: 22, Text: "new terminator took over"}}
	for i := range restart.Series {
		for _, at := range []int{6, 14, 22} {
			if i == at {
				restart.Series[i].P99 *= 3.5
			}
		}
	}
	rep.Runs = append(rep.Runs, restart)
	return rep
}

// knee is the truth about where the synthetic system can't follow any more, per second.
const knee = 72_000

var twoHops = peer{result.Nanofront, 71_000, 1.1, 23.4, 0.45, map[string]float64{"terminator": 0.55, "web": 0.27, "profile": 0.18}}

// near returns a value with the noise of a round.
func (m *maker) near(v float64) float64 { return v * math.Exp(m.opts.Noise*m.rng.NormFloat64()) }

// latencies draws from a lognormal distribution with a heavier tail for one in a hundred.
func (m *maker) latencies(p50, tail float64, n int) result.Histogram {
	h := hdrhistogram.New(result.HistogramMin, result.HistogramMax, result.HistogramDigits)
	for range n {
		v := p50 * math.Exp(tail*m.rng.NormFloat64())
		if m.rng.Float64() < 0.01 {
			v *= 1 + m.rng.ExpFloat64()
		}
		_ = h.RecordValue(max(1, int64(v*1e3))) // far below the maximum
	}
	return result.FromHDR(h)
}

const draws = 4000

func (m *maker) closed(scenario string, p peer, round int) result.Run {
	const seconds = 10
	rate := m.near(p.rate)
	n := uint64(rate * seconds)
	// wrk tells some percentiles, and no histogram.
	all := m.latencies(p.p50, p.tail, draws).Digest()
	d := result.Digest{Count: n, Mean: all.Mean, P50: all.P50, P75: all.P75, P90: all.P90, P99: all.P99, Max: all.Max}
	return result.Run{
		Scenario: scenario, Subject: p.name, Driver: "wrk", Loop: result.Closed, Round: round, Connections: 256,
		Duration: seconds * time.Second, Planned: n, Sent: n, Completed: n,
		Statuses: map[string]uint64{"200": n}, BytesIn: n * 640, BytesOut: n * 92,
		Rate: rate, Latency: result.FromDigest(d), Processes: m.processes(p, float64(n), "wrk", 11.5),
	}
}

func (m *maker) open(scenario string, p peer, offered float64, round int, series bool) result.Run {
	const seconds = 30
	n := uint64(offered * seconds)
	// Where the load is near what the subject takes, its latency rises.
	p50 := m.near(p.p50 * 0.4 / max(0.1, 1-offered/p.rate*0.9))
	r := result.Run{
		Scenario: scenario, Subject: p.name, Driver: "bench", Loop: result.Open, Round: round, Step: fmt.Sprintf("%.0f/s", offered),
		OfferedRate: offered, Connections: 512, Duration: seconds * time.Second,
		Planned: n, Sent: n, SentLate: n / 4000, Completed: n, Statuses: map[string]uint64{"200": n},
		BytesIn: n * 640, BytesOut: n * 92, Rate: float64(n) / seconds,
		Latency: m.latencies(p50, p.tail+0.1, draws), Service: m.latencies(p50*0.9, p.tail, draws),
		Processes: m.processes(p, float64(n), "bench", 9.8),
	}
	if !series {
		return r
	}
	d := r.Latency.Digest()
	for i := range seconds {
		r.Series = append(r.Series, result.Point{At: float64(i + 1), Offered: offered, Rate: m.near(offered), P50: m.near(d.P50), P99: d.P99 * math.Exp(0.12*m.rng.NormFloat64())})
	}
	r.Stages = m.stages(d, n)
	r.Counters = map[string]float64{"frames per message out": 14.2, "requests shed": 0, "replies late": 0}
	return r
}

// stages shares a total out.
func (m *maker) stages(d result.Digest, n uint64) []result.Stage {
	parts := []struct {
		hop, name string
		share     float64
	}{
		{"terminator → web", "read and route", 0.07},
		{"terminator → web", "gather a batch", 0.16},
		{"terminator → web", "wait for a core", 0.21},
		{"web → profile", "gather a batch", 0.11},
		{"web → profile", "wait for a core", 0.19},
		{"web → profile", "store read", 0.06},
		{"web → profile", "bus back", 0.07},
		{"terminator → web", "bus back", 0.08},
		{"terminator → web", "write", 0.05},
	}
	stages := make([]result.Stage, len(parts))
	for i, p := range parts {
		stages[i] = result.Stage{Hop: p.hop, Name: p.name, P50: d.P50 * p.share, P99: m.near(d.P99 * p.share * 1.15), Mean: d.Mean * p.share, Count: n}
	}
	return stages
}

// step is a run of the curve or of the overload.
func (m *maker) step(scenario, name string, offered float64) result.Run {
	r := m.open(scenario, twoHops, min(offered, knee*0.95), 1, false)
	n := uint64(offered * r.Duration.Seconds())
	over := max(0, offered/knee-1)
	accepted := min(offered, knee*(1-0.04*over))
	refused := uint64(max(0, offered-accepted) * r.Duration.Seconds())
	broken := uint64(0)
	if over > 2 {
		broken = n / 200
	}
	r.Step, r.OfferedRate = name, offered
	r.Planned, r.Sent, r.Completed = n, n-broken, n-broken
	r.Statuses = map[string]uint64{"200": n - refused - broken}
	if refused > 0 {
		r.Statuses["503"] = refused
		r.Failed = map[string]uint64{"status": refused}
	}
	if broken > 0 {
		r.NotSent = broken
	}
	r.Rate = float64(n-refused-broken) / r.Duration.Seconds()
	p50 := twoHops.p50 * 0.4 / max(0.06, 1-offered/knee*0.92)
	if offered > knee {
		p50 = 14
	}
	r.Latency = m.latencies(m.near(p50), twoHops.tail+0.1, draws)
	return r
}

// overload is a step of the overload. The first second after it is still busy with what came
// before.
func (m *maker) overload(times float64) result.Run {
	r := m.step(result.ScenarioOverload, fmt.Sprintf("%gx knee", times), times*knee)
	d := r.Latency.Digest()
	r.Service = m.latencies(d.P50*0.9, twoHops.tail, draws)
	for i := range 3 {
		p := result.Point{At: float64(i + 1), Offered: r.OfferedRate, Rate: r.Rate, P50: d.P50, P99: d.P99}
		if times <= 1 {
			r.Series = append(r.Series, p)
			continue
		}
		p.Offered, p.Rate, p.P50, p.P99 = knee/4, knee/4, twoHops.p50*0.5, twoHops.p50
		if i == 0 {
			p.Errors, p.P99 = knee/10, d.P99
		}
		r.After = append(r.After, p)
	}
	if times > 1 {
		r.Refusal = m.latencies(0.2, 0.3, draws)
	}
	return r
}

func (m *maker) processes(p peer, n float64, load string, loadCPU float64) []result.Process {
	cpu := m.near(p.cpu)
	var out []result.Process
	for _, role := range []string{"terminator", "web", "profile", "nginx", "haproxy", "caddy", "gateway", "nats-server", "responder", "plain fasthttp"} {
		part, ok := p.roles[role]
		if !ok {
			continue
		}
		out = append(out, result.Process{
			Name: role, Role: role, CPUSeconds: n * cpu * part / 1e6, PeakRSSBytes: int64(m.near(part * 60e6)),
			VoluntarySwitches: int64(n * part / 9), InvoluntarySwitches: int64(n * part / 400),
		})
	}
	return append(out, result.Process{Name: load, Role: result.RoleLoad, CPUSeconds: n * m.near(loadCPU) / 1e6, PeakRSSBytes: 24e6, VoluntarySwitches: int64(n / 11), InvoluntarySwitches: int64(n / 300)})
}

// idle is nobody asking: a thousandth of a core for each process.
func (m *maker) idle(p peer, round int) result.Run {
	const seconds = 10
	r := result.Run{Scenario: result.ScenarioCost, Subject: p.name, Driver: "bench", Loop: result.Idle, Round: round, Duration: seconds * time.Second}
	for _, q := range m.processes(p, 0, "bench", 0) {
		if q.Role == result.RoleLoad {
			continue
		}
		q.CPUSeconds, q.CPUClock, q.VoluntarySwitches = m.near(seconds*0.001), "scheduler", int64(m.near(seconds*12))
		r.Processes = append(r.Processes, q)
	}
	r.Calls = m.calls(&r, 0, 40)
	return r
}

// calls are so many system calls of each process for a request, or in two seconds if there is none.
func (m *maker) calls(r *result.Run, answered, each float64) *result.Calls {
	c := &result.Calls{Duration: 2 * time.Second, Answered: answered, Processes: make(map[string]int64)}
	for _, p := range r.Processes {
		if p.Role != result.RoleLoad {
			c.Processes[p.Name] = int64(m.near(each * max(answered, 1)))
		}
	}
	return c
}
