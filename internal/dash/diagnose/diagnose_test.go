package diagnose

import (
	"os"
	"strings"
	"testing"

	"nanofront/internal/dash/view"
)

// system is one in which all is well: a front, web on two instances, which calls profile, and echo
// on two.
func system() *view.View {
	service := func(name string, routed bool, live int) view.Service {
		return view.Service{
			Name: name, Routed: routed, Routes: []string{name + " (/" + name + ")"}, Live: live, Listed: live, Reached: view.Num(live),
			Figures:  view.Figures{Rate: 100, Failed: 0, Errors: 0, Shed: 0, P50: 1, P99: 4, Mean: 1.2, InFlight: 1, Limit: 100},
			Requests: 300, LongRequests: 1000, UsualP99: 4, TimesUsual: 1, Goal: view.Unknown, Parts: []view.Num{0.2, 0, 1},
		}
	}
	process := func(service, id string) view.Process {
		return view.Process{
			Key: service + "/" + id, Kind: view.Handler, Service: service, ID: id, State: view.Serving, AgeS: 0.1, Uptime: 1000, Weight: 100, Share: 100, Links: 1, Now: 1,
			Figures: view.Figures{Rate: 50, Errors: 0, Mean: 1, P99: 4},
		}
	}
	front := view.Process{
		Key: "terminator/t-1", Kind: view.Front, ID: "t-1", State: view.Serving, AgeS: 0.1, Uptime: 1000, LoopLag: 0.1, Share: 100,
		Figures: view.Figures{Rate: 200, InFlight: 2, Limit: 512},
	}
	return &view.View{
		AtMS: 1_000_000, Etcd: view.Etcd{Used: true, Asked: 6}, Known: 6, Heard: 6,
		Total:     view.Total{Figures: view.Figures{Rate: 200, Failed: 0, Errors: 0, Shed: 0, P99: 4, InFlight: 2, Limit: 512}, TurnedAway: 0, Fronts: 1},
		Services:  []view.Service{service("echo", true, 2), service("profile", false, 1), service("web", true, 2)},
		Processes: []view.Process{front, process("echo", "echo-1"), process("echo", "echo-2"), process("profile", "profile-1"), process("web", "web-1"), process("web", "web-2")},
		Edges:     []view.Edge{{From: "front", To: "web", Rate: 100, Links: 2}, {From: "front", To: "echo", Rate: 100, Links: 2}, {From: "web", To: "profile", Rate: 100, Links: 2}},
	}
}

func serviceOf(v *view.View, name string) *view.Service {
	for i := range v.Services {
		if v.Services[i].Name == name {
			return &v.Services[i]
		}
	}
	return nil
}

func processOf(v *view.View, key string) *view.Process {
	for i := range v.Processes {
		if v.Processes[i].Key == key {
			return &v.Processes[i]
		}
	}
	return nil
}

// fails makes so many of a service's 100 requests a second fail.
func fails(v *view.View, name string, n float64) {
	s := serviceOf(v, name)
	s.Failures, s.LongFailures, s.Failed, s.Errors = 3*n, 3*n, view.Num(n), view.Num(n/100)
	v.Total.Failed += view.Num(n)
	v.Total.Errors = v.Total.Failed / v.Total.Rate
}

func gone(v *view.View, key string) {
	p := processOf(v, key)
	p.State, p.Links, p.GoneAt, p.AgeS = view.Gone, 0, v.AtMS-2000, 2
	p.Figures, p.Now = view.Figures{Rate: view.Unknown, Errors: view.Unknown}, view.Unknown
	s := serviceOf(v, p.Service)
	s.Live--
	s.Reached = view.Num(s.Live)
	v.Heard--
}

func TestDiagnosis_Says(t *testing.T) {
	for _, tt := range []struct {
		name     string
		change   func(v *view.View)
		sentence string // as a whole
		level    view.Level
		levels   map[string]view.Level // of services; others are normal
		culprit  string
	}{
		{"nothing", func(*view.View) {}, "all normal: 200 requests/s, p99 4.0 ms, no errors", view.Normal, nil, ""},
		{"idle", func(v *view.View) { v.Total.Rate, v.Total.P99 = 0, view.Unknown }, "all normal, no requests at present; 3 services ready", view.Normal, nil, ""},
		{"a few failures", func(v *view.View) { v.Total.Failed, v.Total.Errors = 0.01, 0.00005 }, "all normal: 200 requests/s, p99 4.0 ms, under 0.01 % errors", view.Normal, nil, ""},

		{
			"a handler of two is killed", func(v *view.View) { gone(v, "echo/echo-2") },
			"echo: echo-2 has gone (1 instance left); profile and web normal", view.Amber,
			map[string]view.Level{"echo": view.Amber},
			"echo/echo-2",
		},
		{
			"the same with failures", func(v *view.View) { gone(v, "echo/echo-2"); fails(v, "echo", 3) },
			"echo: 3 % errors, 3 requests/s hit (echo-2 has gone); profile and web normal", view.Red,
			map[string]view.Level{"echo": view.Red},
			"echo/echo-2",
		},
		{
			"it is restarted, and the other had too much for a moment", func(v *view.View) {
				p := processOf(v, "echo/echo-2")
				p.Restarts, p.RestartedAt, p.Uptime = 1, v.AtMS-1000, 1
				fails(v, "echo", 3)
				serviceOf(v, "echo").Sheds, serviceOf(v, "echo").InFlight = 9, 22
			},
			"echo: 3 % errors, 3 requests/s hit (echo-2 was restarted); profile and web normal", view.Red,
			map[string]view.Level{"echo": view.Red},
			"echo/echo-2",
		},
		{
			"the only handler is killed", func(v *view.View) { gone(v, "echo/echo-1"); gone(v, "echo/echo-2"); fails(v, "echo", 100) },
			"echo: 100 % errors, 100 requests/s hit (echo-1 and echo-2 have gone, and no other instance is left); profile and web normal", view.Red,
			map[string]view.Level{"echo": view.Red},
			"echo/echo-1",
		},
		{
			"it is restarted", func(v *view.View) {
				p := processOf(v, "web/web-1")
				p.Restarts, p.RestartedAt, p.Uptime = 1, v.AtMS-4000, 4
			},
			"web: web-1 was restarted 4 s ago; echo and profile normal", view.Amber,
			map[string]view.Level{"web": view.Amber},
			"web/web-1",
		},
		{
			"one that is called is killed", func(v *view.View) { gone(v, "profile/profile-1"); fails(v, "web", 100) },
			"web: 100 % errors, 100 requests/s hit (it calls profile, of which profile-1 has gone or is silent); profile: profile-1 has gone (0 instances left); echo normal", view.Red,
			map[string]view.Level{"web": view.Red, "profile": view.Amber},
			"",
		},

		{"an instance is slow", func(v *view.View) {
			s, p := serviceOf(v, "web"), processOf(v, "web/web-2")
			s.P99, s.TimesUsual = 310, 77.5
			p.Now, p.Mean = 300, 90
		}, "web: p99 310 ms, 78 × its usual (web-2 takes 300 ms, its peers 1.0 ms); echo and profile normal", view.Amber, map[string]view.Level{"web": view.Amber}, "web/web-2"},
		{
			"copies answer for it, always", func(v *view.View) {
				p := processOf(v, "web/web-2")
				p.Now, p.P50, p.Rate, p.Outrun = view.Unknown, view.Unknown, 0, 0.4
			},
			"web: one instance is slow (web-2 takes so long that others answer for it, 0.4 requests/s; users are served); echo and profile normal", view.Amber,
			map[string]view.Level{"web": view.Amber},
			"web/web-2",
		},
		{
			"copies answer for all now and then", func(v *view.View) { processOf(v, "web/web-1").Outrun, processOf(v, "web/web-2").Outrun = 2, 3 },
			"all normal: 200 requests/s, p99 4.0 ms, no errors", view.Normal, nil, "",
		},
		{
			"one is silent, and a few fail", func(v *view.View) {
				processOf(v, "echo/echo-1").Stalled = true
				fails(v, "echo", 0.7)
			},
			"echo: 0.7 % errors, 0.7 requests/s hit (echo-1 is silent with requests under way); profile and web normal", view.Amber,
			map[string]view.Level{"echo": view.Amber},
			"echo/echo-1",
		},
		{
			"one is slow, and half of all isn't heard", func(v *view.View) {
				p := processOf(v, "web/web-2")
				p.Now, p.Rate, p.Outrun = view.Unknown, 10, 40
				for _, key := range []string{"echo/echo-1", "echo/echo-2", "profile/profile-1"} {
					p := processOf(v, key)
					p.State, p.AgeS, p.Now, p.Rate, p.Outrun = view.Silent, 5, view.Unknown, view.Unknown, 0.4
				}
				v.Heard = 3
			},
			"web: one instance is slow (web-2 takes so long that others answer for it, 40 requests/s; users are served); " +
				"heard 3 of 6 processes: what is said of the others is not known (not heard: echo/echo-1, echo/echo-2 and profile/profile-1)", view.Amber,
			map[string]view.Level{"web": view.Amber, "echo": view.Missing, "profile": view.Missing},
			"web/web-2",
		},
		{
			"copies hide it", func(v *view.View) { p := processOf(v, "web/web-2"); p.Now, p.Share = 300, 1 },
			"web: one instance is slow (web-2 takes 300 ms, its peers 1.0 ms; its share is cut to 1 %; users are served); echo and profile normal", view.Amber,
			map[string]view.Level{"web": view.Amber},
			"web/web-2",
		},
		{
			"one is stopped", func(v *view.View) { processOf(v, "echo/echo-1").Stalled = true },
			"echo: one instance doesn't answer (echo-1 is silent with requests under way; users are served); profile and web normal", view.Amber,
			map[string]view.Level{"echo": view.Amber},
			"echo/echo-1",
		},
		{"all are slow", func(v *view.View) {
			s := serviceOf(v, "echo")
			s.P99, s.TimesUsual, s.Grew, s.GrewTimes = 200, 50, "handler", 60
			processOf(v, "echo/echo-1").Now, processOf(v, "echo/echo-2").Now = 60, 61
		}, "echo: p99 200 ms, 50 × its usual (its handler takes 60 × its usual); profile and web normal", view.Amber, map[string]view.Level{"echo": view.Amber}, ""},
		{
			"beyond its goal", func(v *view.View) { s := serviceOf(v, "echo"); s.P99, s.Goal, s.UsualP99 = 310, 100, 300 },
			"echo: p99 310 ms, its goal is 100 ms; profile and web normal", view.Amber,
			map[string]view.Level{"echo": view.Amber},
			"",
		},

		{
			"etcd is gone", func(v *view.View) { v.Etcd.Away, v.Etcd.Without = true, 6 },
			"etcd doesn't answer (requests are served as before; nobody can join, and routes can't change); echo and 2 others normal", view.Amber, nil, "",
		},
		{
			"for one process", func(v *view.View) { v.Etcd.Without = 1 },
			"1 of 6 processes don't reach etcd (requests are served as before; nobody can join, and routes can't change for them); echo and 2 others normal", view.Amber, nil, "",
		},

		{"a route to nobody", func(v *view.View) {
			v.Services = append(v.Services, view.Service{
				Name: "orders", Routed: true, Routes: []string{"orders-api (/orders)"}, Reached: 0,
				Figures: view.Figures{Rate: 12, Failed: 12, Errors: 1}, Requests: 36, Failures: 36, LongRequests: 36, LongFailures: 36,
			})
		}, "orders: 100 % errors, 12 requests/s hit (no instance of orders is registered: route orders-api (/orders) leads to nobody); echo and 2 others normal", view.Red, map[string]view.Level{"orders": view.Red}, ""},
		{"nobody has come yet", func(v *view.View) {
			v.Services = append(v.Services, view.Service{Name: "orders", Routed: true, Routes: []string{"orders-api (/orders)"}, Reached: 0})
		}, "orders: no instance takes requests; none has come yet (no instance of orders is registered: route orders-api (/orders) leads to nobody); echo and 2 others normal", view.Amber, map[string]view.Level{"orders": view.Amber}, ""},
		{"one route of a service fails", func(v *view.View) {
			s := serviceOf(v, "web")
			s.Paths = []view.Path{{Name: "photos", Rate: 0.7, Failed: 0.7}, {Name: "rest", Rate: 1000, Failed: 0}}
			s.Requests, s.LongRequests, s.Failures = 3000, 10000, 2
		}, "web: route photos: 100 % errors, 0.7 requests/s hit; echo and profile normal", view.Red, map[string]view.Level{"web": view.Red}, ""},

		{"the front is full", func(v *view.View) {
			p := processOf(v, "terminator/t-1")
			v.Total.InFlight, v.Total.Shed, v.Total.Failed, v.Total.Errors, p.InFlight = 512, 50, 50, 0.25, 512
			fails(v, "echo", 50)
			s := serviceOf(v, "echo")
			s.Sheds, s.InFlight = 150, 500
		}, "front t-1 is saturated: 25 % of requests refused (503), 50 requests/s hit (its limit of 512 requests at once is reached; most wait for echo); profile and web normal", view.Red, map[string]view.Level{"echo": view.Red}, "terminator/t-1"},
		{"the front's cores are", func(v *view.View) {
			v.Total.TurnedAway, v.Total.Shed, v.Total.Failed, v.Total.Errors = 60, 60, 60, 0.3
			processOf(v, "terminator/t-1").LoopLag = 300
		}, "front t-1 is saturated: 30 % of requests refused (503), 60 requests/s hit (it has more to do than its cores can: its loops are 300 ms behind); echo and 2 others normal", view.Red, nil, "terminator/t-1"},
		{"a service is", func(v *view.View) {
			fails(v, "echo", 20)
			s := serviceOf(v, "echo")
			s.Sheds, s.Shed, s.InFlight = 60, 20, 100
			v.Total.Shed = 20
		}, "echo: 20 % errors, 20 requests/s hit (overloaded: 100 of 100 requests in flight); profile and web normal", view.Red, map[string]view.Level{"echo": view.Red}, ""},

		{
			"an instance fails", func(v *view.View) { fails(v, "web", 3.1); processOf(v, "web/web-2").Errors = 0.06 },
			"web: 3.1 % errors, 3.1 requests/s hit (web-2 fails (6 % of its requests)); echo and profile normal", view.Red,
			map[string]view.Level{"web": view.Red},
			"web/web-2",
		},
		{
			"failures of none in particular", func(v *view.View) { v.Total.Failed, v.Total.Errors = 10, 0.05 },
			"front: 5 % errors, 10 requests/s hit (no service accounts for them); echo and 2 others normal", view.Red, nil, "",
		},

		{
			"it drains", func(v *view.View) { p := processOf(v, "web/web-1"); p.State, p.Links = view.Draining, 0 },
			"web: web-1 drains; echo and profile normal", view.Intended,
			map[string]view.Level{"web": view.Intended},
			"web/web-1",
		},
		{"it was drained, and has gone", func(v *view.View) {
			gone(v, "web/web-1")
			v.Events = []view.Event{{Kind: "gone", Subject: "web/web-1", Level: view.Intended}}
		}, "web: web-1 has left, as it was to; echo and profile normal", view.Intended, map[string]view.Level{"web": view.Intended}, "web/web-1"},
		{
			"its weight is 0", func(v *view.View) { p := processOf(v, "web/web-1"); p.State, p.Weight = view.TakenOut, 0 },
			"web: web-1 is taken out by its weight; echo and profile normal", view.Intended,
			map[string]view.Level{"web": view.Intended},
			"web/web-1",
		},

		{"one isn't heard", func(v *view.View) {
			p := processOf(v, "web/web-1")
			p.State, p.AgeS, p.Error, v.Heard = view.Silent, 5, "no answer in time", 5
		}, "web: web-1 hasn't been heard for 5 s (no answer in time); echo and profile normal", view.Missing, map[string]view.Level{"web": view.Missing}, "web/web-1"},
		{"half aren't heard", func(v *view.View) {
			for _, k := range []string{"web/web-1", "web/web-2", "echo/echo-1"} {
				processOf(v, k).State = view.Silent
			}
			v.Heard = 3
		}, "heard 3 of 6 processes: what is said of the others is not known (not heard: echo/echo-1, web/web-1 and web/web-2)", view.Missing, nil, ""},
		{"no front is heard", func(v *view.View) {
			v.Total = view.Total{Figures: view.Figures{Rate: view.Unknown}}
			processOf(v, "terminator/t-1").State = view.Silent
			v.Heard = 5
			for i := range v.Services {
				v.Services[i].Stale = v.Services[i].Routed
			}
		}, "no terminator is heard: whether users are hurt isn't known (heard 5 of 6 processes)", view.Missing, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := system()
			tt.change(v)
			New().Judge(v)
			got := v.Sentence
			if tt.level == view.Missing && tt.levels == nil { // what else is unknown follows
				got = got[:min(len(got), len(tt.sentence))]
			}
			if got != tt.sentence || v.Level != tt.level {
				t.Errorf("it says, %s:\n\t%s\nwant, %s:\n\t%s", v.Level, v.Sentence, tt.level, tt.sentence)
			}
			for _, s := range v.Services {
				want, ok := tt.levels[s.Name]
				if !ok {
					want = view.Normal
				}
				if s.Level != want && tt.level != view.Missing {
					t.Errorf("%s is %s, want %s", s.Name, s.Level, want)
				}
			}
			if tt.culprit != "" && (len(v.Problems) == 0 || v.Problems[0].Process != tt.culprit) {
				t.Errorf("the culprit is %+v, want %s", v.Problems, tt.culprit)
			}
			for _, p := range v.Problems {
				if (p.Level == view.Red || p.Level == view.Amber) && (p.Runbook == "" || p.Command == "") {
					t.Errorf("%q has runbook %q and command %q, want both", p.Text, p.Runbook, p.Command)
				}
			}
		})
	}
}

// TestDiagnosis_SinceWhen: a problem that comes and goes is one for a while, and then begins anew.
func TestDiagnosis_SinceWhen(t *testing.T) {
	d := New()
	judge := func(s int64, bad bool) string {
		v := system()
		v.AtMS += s * 1000
		if bad {
			fails(v, "web", 50)
		}
		d.Judge(v)
		return v.Sentence
	}
	judge(0, true)
	judge(1, false)
	if got := judge(8, true); !strings.Contains(got, "web: 50 % errors for 8 s, 50 requests/s hit") {
		t.Errorf("after 8 s with a gap: %s", got)
	}
	for s := int64(9); s < 250; s++ {
		judge(s, true)
	}
	if got := judge(250, true); !strings.Contains(got, "web: 50 % errors for 4 min") {
		t.Errorf("after 250 s: %s", got)
	}
	for s := int64(251); s < 300; s++ {
		judge(s, false)
	}
	if got := judge(300, true); !strings.Contains(got, "web: 50 % errors, 50 requests/s hit") {
		t.Errorf("after a minute without: %s", got)
	}
}

// TestDiagnosis_RedIsForHarm: nothing is red in a system that answers all requests.
func TestDiagnosis_RedIsForHarm(t *testing.T) {
	v := system()
	gone(v, "echo/echo-1")
	processOf(v, "web/web-1").Stalled = true
	processOf(v, "web/web-2").Now = 500
	v.Etcd.Away, v.Etcd.Without = true, 6
	serviceOf(v, "web").P99, serviceOf(v, "web").TimesUsual = 900, 200
	New().Judge(v)
	if v.Level != view.Amber {
		t.Errorf("level %s: %s", v.Level, v.Sentence)
	}
}

// TestDiagnosis_RunbookHasThem: what problems refer to is there.
func TestDiagnosis_RunbookHasThem(t *testing.T) {
	text, err := os.ReadFile("../../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if title := strings.TrimLeft(line, "#"); title != line {
			anchor := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(title)), " ", "-")
			anchors[strings.NewReplacer(":", "", ",", "", "'", "").Replace(anchor)] = true
		}
	}
	for _, a := range []string{runbookErrors, runbookNobody, runbookSlow, runbookFull, runbookGone, runbookEtcd, runbookBlind} {
		if !anchors[a] {
			t.Errorf("docs/runbook.md has no section %s", a)
		}
	}
}
