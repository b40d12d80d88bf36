package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func valid() Instance {
	return Instance{Service: "web", ID: "web-1.a_b", Address: "tcp://127.0.0.1:7000", Window: 1}
}

func TestInstance_Validate(t *testing.T) {
	ok := map[string]func(*Instance){
		"as it is":     func(*Instance) {},
		"v6":           func(i *Instance) { i.Address = "tcp://[::1]:7000" },
		"host name":    func(i *Instance) { i.Address = "tcp://box-1.example:7000" },
		"ipc":          func(i *Instance) { i.Address = "ipc:///run/x.sock" },
		"version":      func(i *Instance) { i.Version = "1.2 (beta)" },
		"large window": func(i *Instance) { i.Window = MaxWindow },
		"admin":        func(i *Instance) { i.Admin = "127.0.0.1:8081" },
	}
	for name, change := range ok {
		i := valid()
		change(&i)
		if err := i.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := []struct {
		name   string
		change func(*Instance)
		want   string
	}{
		{"no service", func(i *Instance) { i.Service = "" }, `service: "" is not a name: want 1 to 63`},
		{"service with dot", func(i *Instance) { i.Service = "a.b" }, `service: "a.b"`},
		{"upper case", func(i *Instance) { i.Service = "Web" }, `service: "Web"`},
		{"long service", func(i *Instance) { i.Service = strings.Repeat("a", 64) }, `service: "aaa`},
		{"slash in id", func(i *Instance) { i.ID = "a/b" }, `id: "a/b"`},
		{"no id", func(i *Instance) { i.ID = "" }, `id: ""`},
		{"no address", func(i *Instance) { i.Address = "" }, `address: "" has an unknown scheme: want tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH`},
		{"http", func(i *Instance) { i.Address = "http://a:1" }, "unknown scheme"},
		{"port 0", func(i *Instance) { i.Address = "tcp://a:0" }, "no usable port"},
		{"port too large", func(i *Instance) { i.Address = "tcp://a:65536" }, "no usable port"},
		{"no host", func(i *Instance) { i.Address = "tcp://:7000" }, "no usable host"},
		{"no port", func(i *Instance) { i.Address = "tcp://a" }, "is not HOST:PORT"},
		{"path", func(i *Instance) { i.Address = "tcp://a:1/x" }, "path after the port"},
		{"user", func(i *Instance) { i.Address = "tcp://u@a:1" }, "more than a scheme"},
		{"relative ipc", func(i *Instance) { i.Address = "ipc://x" }, "no absolute path"},
		{"long ipc", func(i *Instance) { i.Address = "ipc:///" + strings.Repeat("x", 107) }, "has a path of 108 bytes, where a socket's has at most 107"},
		{"empty ipc", func(i *Instance) { i.Address = "ipc:///" }, "no absolute path"},
		{"control", func(i *Instance) { i.Address = "tcp://a\n:1" }, "is not a URL"},
		{"version", func(i *Instance) { i.Version = "ü" }, `version: "ü": want at most 63 printable`},
		{"window", func(i *Instance) { i.Window = 0 }, "window: 0: want 1 to 1048576 requests"},
		{"admin", func(i *Instance) { i.Admin = "8081" }, `admin: "8081" is not HOST:PORT`},
	}
	for _, tt := range bad {
		i := valid()
		tt.change(&i)
		err := i.Validate()
		if !errors.Is(err, ErrInvalidInstance) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
		}
	}
	if err := (Instance{}).Validate(); err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("zero instance: %v, want four problems", err)
	}
}

func TestParseTable(t *testing.T) {
	s, err := ParseTable([]byte(`
version: 1
instances:
  - {service: web, id: b, address: "tcp://127.0.0.1:2", window: 7, started: 2026-01-02T03:04:05Z}
  - {service: web, id: a, address: "tcp://127.0.0.1:1"}
  - {service: echo, id: z, address: "ipc:///run/z", version: "2"}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range s.Instances {
		got = append(got, i.Service+"/"+i.ID)
	}
	if want := []string{"echo/z", "web/a", "web/b"}; !cmp.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if s.Routes != nil || s.Instances[1].Window != DefaultWindow || s.Instances[2].Window != 7 || s.Instances[2].Started.Year() != 2026 {
		t.Errorf("got %+v", s)
	}

	bad := map[string]string{
		"[]":                         "document is a list: want an object with version",
		"version: 1\ninstances: 3":   "instances: 3 is a number: want a list",
		"version: 1\ninstances: [3]": "instances[0]: 3 is a number: want an object",
		"instances: []":              "version: missing",
		"version: 1\nrotes: []":      "rotes: unknown field: want one of version, instances, processes, routes",
		"version: 1\ninstances: [{service: web, id: a}]":                                                                        `instances[0] "a": address: ""`,
		"version: 1\ninstances: [{service: web, id: a, address: \"tcp://a:1\", window: 0}]":                                     `instances[0] "a": window: 0: want 1 to`,
		"version: 1\ninstances: [{service: web, id: a, address: \"tcp://a:1\", started: now}]":                                  `instances[0] "a": started: "now": want a time`,
		"version: 1\ninstances: [{service: web, id: a, address: \"tcp://a:1\", port: 1}]":                                       "port: unknown field",
		"version: 1\ninstances: [{service: web, id: a, address: \"tcp://a:1\"}, {service: web, id: a, address: \"tcp://a:2\"}]": `instances[1] "a": id: "a" is also instances[0] of "web"`,
		"version: 1\nroutes: [{match: {prefix: /}, service: W}]":                                                                `routes[0]: service: "W"`,
	}
	for doc, want := range bad {
		if _, err := ParseTable([]byte(doc)); !errors.Is(err, ErrInvalidTable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n  error %v\n  lacks %s", doc, err, want)
		}
	}
}

func FuzzParseTable(f *testing.F) {
	f.Add([]byte("version: 1\ninstances: [{service: web, id: a, address: \"tcp://a:1\"}]\nroutes: [{match: {prefix: /}, service: w}]"))
	f.Add([]byte(`{"version":1,"instances":[{"service":"web","id":"a","address":"ipc:///x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseTable(data)
		if err != nil {
			if !errors.Is(err, ErrInvalidTable) {
				t.Fatalf("error %v doesn't wrap ErrInvalidTable", err)
			}
			return
		}
		for _, i := range s.Instances {
			if err := i.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
