package registry

import (
	"errors"
	"strings"
	"testing"
)

func TestProcess_Validate(t *testing.T) {
	good := Process{
		Kind: KindHandler, Name: "web-1", Service: "web", System: "nanofront", Version: "v1", Host: "box", PID: 7,
		StartID: "0123456789abcdef", Admin: "10.0.0.7:8081", HTTP: ":8080",
	}
	if err := good.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, spoil := range map[string]func(p *Process){
		`kind: ""`:                   func(p *Process) { p.Kind = "" },
		`kind: "a/b"`:                func(p *Process) { p.Kind = "a/b" },
		`name: "A"`:                  func(p *Process) { p.Name = "A" },
		`service: "a.b"`:             func(p *Process) { p.Service = "a.b" },
		`system: "a b"`:              func(p *Process) { p.System = "a b" },
		`version: "\n"`:              func(p *Process) { p.Version = "\n" },
		`host: "`:                    func(p *Process) { p.Host = strings.Repeat("h", 256) },
		`start_id: "é"`:              func(p *Process) { p.StartID = "é" },
		`pid: -1`:                    func(p *Process) { p.PID = -1 },
		`admin: "10.0.0.7"`:          func(p *Process) { p.Admin = "10.0.0.7" },
		`admin: ":8081"`:             func(p *Process) { p.Admin = ":8081" },
		`admin: "10.0.0.7:0" has no`: func(p *Process) { p.Admin = "10.0.0.7:0" },
	} {
		p := good
		spoil(&p)
		if err := p.Validate(); !errors.Is(err, ErrInvalidProcess) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", p, err, want)
		}
	}
}

// A loopback address is that of another process on another machine.
func TestProcess_AdminFrom(t *testing.T) {
	for _, c := range []struct{ admin, host, from, want string }{
		{"10.0.0.7:8081", "a", "b", "10.0.0.7:8081"},
		{"a.example:8081", "a", "b", "a.example:8081"},
		{"127.0.0.1:8081", "a", "a", "127.0.0.1:8081"},
		{"127.0.0.1:8081", "a", "b", ""},
		{"[::1]:8081", "a", "b", ""},
		{"localhost:8081", "a", "b", ""},
		{"127.0.0.1:8081", "", "b", "127.0.0.1:8081"}, // a static table's, which is for one machine
		{"", "a", "a", ""},
	} {
		if got := (Process{Admin: c.admin, Host: c.host}).AdminFrom(c.from); got != c.want {
			t.Errorf("%q on %q from %q: %q, want %q", c.admin, c.host, c.from, got, c.want)
		}
	}
}

func TestSystemName(t *testing.T) {
	for prefix, want := range map[string]string{
		"/nanofront/v1/":                     "nanofront",
		"/staging/nanofront":                 "staging-nanofront",
		"/Prod/":                             "prod",
		"/v2/":                               "v2",
		"/a/v1b/":                            "a-v1b",
		"":                                   "nanofront",
		"/!/":                                "nanofront",
		"/" + strings.Repeat("x", 100) + "/": strings.Repeat("x", 63),
	} {
		got := SystemName(prefix)
		if got != want || !ValidSystem(got) {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func TestParseTable_Processes(t *testing.T) {
	s, err := ParseTable([]byte(`
version: 1
instances:
  - {service: web, id: a, address: "tcp://127.0.0.1:1", admin: "10.0.0.1:8082"}
  - {service: web, id: b, address: "tcp://127.0.0.1:2", admin: "10.0.0.1:8083"}
processes:
  - {kind: terminator, name: front-1, admin: "10.0.0.1:8081"}
  - {kind: handler, name: b, service: web, host: box, admin: "10.0.0.1:9083"}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range s.AllProcesses() {
		got = append(got, p.Kind+" "+p.Service+" "+p.Name+" "+p.Admin)
	}
	if want := "handler web a 10.0.0.1:8082, handler web b 10.0.0.1:9083, terminator  front-1 10.0.0.1:8081"; strings.Join(got, ", ") != want {
		t.Errorf("processes %q, want %s", got, want)
	}
	for doc, want := range map[string]string{
		"version: 1\nprocesses: [3]":                                      "processes[0]: 3 is a number: want an object",
		"version: 1\nprocesses: [{kind: terminator}]":                     `processes[0]: name: ""`,
		"version: 1\nprocesses: [{kind: a, name: b, admin: c}]":           `processes[0]: admin: "c"`,
		"version: 1\nprocesses: [{kind: a, name: b, port: c}]":            "port: unknown field",
		"version: 1\nprocesses: [{kind: a, name: b}, {kind: a, name: b}]": `processes[1]: name: "b" is also that of another a`,
	} {
		if _, err := ParseTable([]byte(doc)); !errors.Is(err, ErrInvalidTable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  error %v\n  lacks %s", doc, err, want)
		}
	}
}
