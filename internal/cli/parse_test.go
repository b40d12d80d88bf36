package cli

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// flags are those of a program that has one of each kind.
type flags struct {
	Common
	Discovery
	Version
	Bus    string        `required:"" type:"path" placeholder:"URL" help:"Where to listen."`
	HTTP   string        `name:"http" default:":8080" type:"addr" placeholder:"ADDR" help:"Address for browsers."`
	Window int           `default:"64" range:"1..65536" placeholder:"N" help:"Requests taken at once."`
	Seed   uint64        `default:"0" placeholder:"N" help:"Members made on the first start."`
	Small  int32         `default:"0" placeholder:"N" help:"Any number that fits 32 bits."`
	Sync   bool          `help:"Wait for the disk."`
	Wait   time.Duration `default:"2s" range:"1ms..5m" placeholder:"DURATION" help:"How long, 1ms to 5m."`
	Role   string        `arg:"" optional:"" default:"echo" oneof:"echo,web" help:"What to be."`
}

func parse(args ...string) (flags, string, error) {
	var f flags
	var out, errOut bytes.Buffer
	_, err := Parse(Program{Name: "prog", Description: "Does things."}, &f, args, IO{Out: &out, Err: &errOut})
	return f, out.String() + errOut.String(), err
}

func TestParse_Defaults(t *testing.T) {
	f, _, err := parse("--bus", "tcp://x")
	if err != nil {
		t.Fatal(err)
	}
	want := flags{
		Common: Common{
			Admin: "127.0.0.1:8081", Statsd: "127.0.0.1:8125", StatsdInterval: 2 * time.Second,
			StatsdFlush: 10 * time.Second, StatsdPrefix: "nanofront", StatsdTags: "none",
			LogLevel: "info", LogFormat: "auto", DrainTimeout: 10 * time.Second,
		},
		Discovery: Discovery{Etcd: "http://127.0.0.1:2379", EtcdPrefix: "/nanofront/v1/"},
		Bus:       "tcp://x", HTTP: ":8080", Window: 64, Wait: 2 * time.Second, Role: "echo",
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
}

func TestParse_ArgumentsWinOverEnvironment(t *testing.T) {
	t.Setenv("NANOFRONT_WINDOW", "7")
	t.Setenv("NANOFRONT_STATSD_INTERVAL", "5s")
	t.Setenv("NANOFRONT_STATSD", "")
	t.Setenv("NANOFRONT_ETCD_CA", "ca.pem")
	t.Setenv("NANOFRONT_ETCD", "https://a:2379,https://b:2379/")
	t.Setenv("NANOFRONT_HTTP", "[::1]:80")
	t.Setenv("NANOFRONT_SYNC", "true")
	f, _, err := parse("--bus=x", "--window", "8", "web", "--admin=")
	if err != nil {
		t.Fatal(err)
	}
	if f.Window != 8 || f.StatsdInterval != 5*time.Second || f.Statsd != "" || f.EtcdCA != "ca.pem" || f.Admin != "" ||
		f.Etcd != "https://a:2379,https://b:2379/" || f.HTTP != "[::1]:80" || !f.Sync || f.Role != "web" {
		t.Errorf("got %+v", f)
	}
	if f, _, err := parse("--bus=x", "--statsd", ""); err != nil || f.Statsd != "" {
		t.Errorf(`--statsd "" gives %q, %v`, f.Statsd, err)
	}
}

func TestParse_SaysWhatIsWrong(t *testing.T) {
	const env = "env " // an argument that sets a variable
	for _, tc := range []struct {
		args []string // besides --bus=x
		want string
	}{
		{[]string{"--window", "abc"}, `--window: "abc" is not a whole number from 1 to 65536`},
		{[]string{"--window", "1.5"}, `--window: "1.5" is not a whole number`},
		{[]string{"--window", "0x10"}, `--window: "0x10" is not a whole number`},
		{[]string{"--window", ""}, `--window: "" is not a whole number`},
		{[]string{"--window", "0"}, `--window: 0 is out of range: it must be from 1 to 65536`},
		{[]string{"--window=-5"}, `--window: -5 is out of range`},
		{[]string{"--window", "65537"}, `--window: 65537 is out of range`},
		{[]string{"--window", "99999999999999999999"}, `--window: "99999999999999999999" is not a whole number`},
		{[]string{"--window"}, `--window: needs a value`},
		{[]string{"--window", "--sync"}, `--window: needs a value (one that begins with - is given as --window=--sync)`},
		{[]string{"--seed=-1"}, `--seed: "-1" is not a whole number of 0 or more`},
		{[]string{"--small=2147483648"}, `--small: "2147483648" is not a whole number`},
		{[]string{"--sync=maybe"}, `--sync: bool value must be true`},
		{[]string{"--wait", "5"}, `--wait: "5" is not a duration (such as 250ms, 5s or 1m30s) from 1ms to 5m`},
		{[]string{"--wait", "1h"}, `--wait: 1h is out of range: it must be from 1ms to 5m`},
		{[]string{"--drain-timeout=-1s"}, `--drain-timeout: -1s is out of range`},
		{[]string{"--statsd-sample", "2"}, `--statsd-sample: 2 is out of range: it must be from 0 to 1`},
		{[]string{"--statsd-sample", "NaN"}, `--statsd-sample: NaN is out of range`},
		{[]string{"--statsd-interval", "1ms"}, `--statsd-interval: 1ms is out of range: it must be from 100ms to 1m`},
		{[]string{"--statsd", "localhost"}, `--statsd: "localhost" is not host:port`},
		{[]string{"--http", ""}, `--http: "" is not host:port`},
		{[]string{"--http", "8080"}, `--http: "8080" is not host:port with a port from 0 to 65535`},
		{[]string{"--http", ":99999"}, `--http: ":99999" is not host:port`},
		{[]string{"--http", "::1:80"}, `--http: "::1:80" is not host:port`},
		{[]string{"--http", "http://x:80"}, `--http: "http://x:80" is not host:port`},
		{[]string{"--admin", "x"}, `--admin: "x" is not host:port`},
		{[]string{"--log-level", "loud"}, `--log-level: "loud" is not one of debug, info, warn, error, off`},
		{[]string{"--log-format", ""}, `--log-format: "" is not one of auto, json, console`},
		{[]string{"--etcd", ""}, `--etcd: "" is not http://host:port`},
		{[]string{"--etcd", "127.0.0.1:2379"}, `--etcd: "127.0.0.1:2379" is not http://host:port`},
		{[]string{"--etcd", "http://a:1,ftp://b:2"}, `--etcd: "ftp://b:2" is not http://host:port`},
		{[]string{"--etcd", "http://a"}, `--etcd: "http://a" is not`},
		{[]string{"--etcd", "http://a:1/v3"}, `--etcd: "http://a:1/v3" is not`},
		{[]string{"--etcd", "http://me:secret@a:1"}, `--etcd: "…@a:1" is not`},
		{[]string{"--etcd-cert", "c.pem"}, "--etcd-cert and --etcd-key belong together"},
		{[]string{"--etcd-ca", "c.pem"}, `--etcd: "http://127.0.0.1:2379" has http:// URLs, but --etcd-cert and --etcd-ca need https://`},
		{[]string{"--etcd-user", "u"}, "--etcd-user needs a password: give --etcd-password-file or set NANOFRONT_ETCD_PASSWORD"},
		{[]string{"--etcd-password-file", "f"}, "--etcd-password-file needs --etcd-user"},
		{[]string{"--windwo", "1"}, `unknown flag --windwo, did you mean "--window"?`},
		{[]string{"web", "more"}, "unexpected argument more"},
		{[]string{"chat"}, `<role>]: "chat" is not one of echo, web`},
		{[]string{env + "NANOFRONT_WINDOW=x"}, `--window: "x" is not a whole number from 1 to 65536 (from envar NANOFRONT_WINDOW="x")`},
		{[]string{env + "NANOFRONT_LOG_LEVEL=x"}, `--log-level: "x" is not one of`},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			args := []string{"--bus=x"}
			for _, a := range tc.args {
				if v, ok := strings.CutPrefix(a, env); ok {
					name, value, _ := strings.Cut(v, "=")
					t.Setenv(name, value)
					continue
				}
				args = append(args, a)
			}
			_, _, err := parse(args...)
			var usage *UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q gives %v, want %q", args, err, tc.want)
			}
		})
	}
	if _, _, err := parse(); err == nil || !strings.Contains(err.Error(), "missing flags: --bus") {
		t.Errorf("no --bus gives %v", err)
	}
}

func TestParse_Help(t *testing.T) {
	_, out, err := parse("--help")
	if !errors.Is(err, ErrDone) {
		t.Fatalf("--help gives %v", err)
	}
	for _, want := range []string{
		"Usage: prog --bus=URL", "Does things.", "--window=N", "--version", "--drain-timeout=DURATION",
		"(default: echo)", "(default: 64)", "(default: 127.0.0.1:8081)", "Each flag is also an environment variable: --drain-timeout is NANOFRONT_DRAIN_TIMEOUT.",
	} {
		if !strings.Contains(flat(out), want) {
			t.Errorf("no %q in the help:\n%s", want, out)
		}
	}
	if strings.Contains(out, "NANOFRONT_VERSION") || strings.Contains(out, "$-") || strings.Contains(out, "NANOFRONT_HELP") {
		t.Errorf("a variable that doesn't exist in the help:\n%s", out)
	}
}

// flat is text without its line breaks.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestParse_Version(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"--bus=x", "--version"}, {"version"}} {
		_, out, err := parse(args...)
		if !errors.Is(err, ErrDone) || !strings.HasPrefix(out, "prog ") || strings.Count(out, "\n") != 1 || !strings.Contains(out, "go1.") {
			t.Errorf("%q gives %q, %v", args, out, err)
		}
	}
}

func TestParse_Commands(t *testing.T) {
	var f struct {
		Etcd struct {
			Data string `required:"" type:"path" help:"Where data is kept."`
		} `cmd:"" help:"Run etcd."`
		Status struct{} `cmd:"" help:"Show what runs."`
	}
	ctx, err := Parse(Program{Name: "nanofront", Vars: map[string]string{"admin": ""}}, &f, []string{"etcd", "--data", "d"}, IO{})
	if err != nil || ctx.Command() != "etcd" || f.Etcd.Data != "d" {
		t.Errorf("got %+v, %v", f, err)
	}
	if _, err := Parse(Program{Name: "nanofront"}, &f, []string{"stauts"}, IO{}); err == nil || !strings.Contains(err.Error(), "stauts") {
		t.Errorf("an unknown command gives %v", err)
	}
}

func TestDiscovery_EtcdPassword(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		f, err := os.CreateTemp(dir, "password")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	t.Setenv(EnvEtcdPassword, "from env")
	for _, tc := range []struct {
		file, want, wantErr string
	}{
		{"", "from env", ""},
		{file("secret\r\n"), "secret", ""},
		{file(" spaces stay "), " spaces stay ", ""},
		{file("\n"), "", "is empty"},
		{file(strings.Repeat("x", maxPassword+1)), "", "has more than 4096 bytes"},
		{dir, "", "--etcd-password-file: "},
		{dir + "/none", "", "no such file"},
	} {
		got, err := (&Discovery{EtcdPasswordFile: tc.file}).EtcdPassword()
		if got != tc.want || (err == nil) != (tc.wantErr == "") {
			t.Errorf("%s: %q, %v, want %q and an error with %q", tc.file, got, err, tc.want, tc.wantErr)
		}
		var usage *UsageError
		if err != nil && (!errors.As(err, &usage) || !strings.Contains(err.Error(), tc.wantErr)) {
			t.Errorf("%s: %v, want %q", tc.file, err, tc.wantErr)
		}
	}
}
