package busflags

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"nanofront/internal/cli"
)

func parseBus(args ...string) (*Flags, error) {
	var f struct{ Flags }
	_, err := cli.Parse(cli.Program{Name: "p"}, &f, args, cli.IO{Out: new(bytes.Buffer), Err: new(bytes.Buffer)})
	return &f.Flags, err
}

func secretFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // the umask
		t.Fatal(err)
	}
	return name
}

func TestFlags_WrongFlagsAreNamed(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--bus-cert=x"}, "--bus-cert and --bus-key belong together"},
		{[]string{"--bus-key=x"}, "--bus-cert and --bus-key belong together"},
		{[]string{"--bus-server-name=a b"}, `--bus-server-name: "a b"`},
		{[]string{"--bus-server-name=host:1"}, `--bus-server-name: "host:1"`},
		{[]string{"--bus-cert=" + none, "--bus-key=" + none}, "--bus-cert: open " + none},
		{[]string{"--bus-ca=" + none}, "--bus-ca: open " + none},
		{[]string{"--bus-ca=flags_test.go"}, "flags_test.go has no certificate in PEM"},
		{[]string{"--bus-secret-file=" + none}, "--bus-secret-file: open " + none},
		{[]string{"--bus-secret-file=" + secretFile(t, "  too short \n\n", 0o600)}, "has 9 bytes, not counting surrounding white space: want 16 to 4096"},
		{[]string{"--bus-secret-file=" + secretFile(t, strings.Repeat("x", 5000), 0o600)}, "want 16 to 4096"},
	} {
		b, err := parseBus(c.args...)
		if err == nil {
			_, err = b.Security(zerolog.Nop())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %s", c.args, err, c.want)
		}
	}
}

func TestFlags_SecretFile(t *testing.T) {
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true} {
		var log bytes.Buffer
		b, err := parseBus("--bus-secret-file", secretFile(t, "\n sixteen bytes it is \n", mode))
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Security(zerolog.New(&log))
		if err != nil || string(s.Secret) != "sixteen bytes it is" {
			t.Errorf("%o: %q, %v", mode, s.Secret, err)
		}
		if got := strings.Contains(log.String(), "chmod 600"); got != warned || strings.Contains(log.String(), "sixteen") {
			t.Errorf("%o: log %s", mode, log.String())
		}
	}
	b, err := parseBus()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := b.Security(zerolog.Nop()); err != nil || s.Secret != nil {
		t.Errorf("without a flag: %v, %v", s, err)
	}
}

func TestFlags_CheckListen(t *testing.T) {
	b := Flags{}
	if err := b.CheckListen("bus", "tls+tcp://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "give --bus-cert and --bus-key") {
		t.Errorf("got %v", err)
	}
	b.BusCert = "x"
	for _, addr := range []string{"tls+tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "ipc:///x"} {
		if err := b.CheckListen("bus", addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
