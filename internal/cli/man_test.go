package cli

import (
	"bytes"
	"strings"
	"testing"
)

// The manual page has every command and flag with the texts of --help, and nothing in them means
// something to roff.
func TestManual(t *testing.T) {
	var g struct {
		Serve struct {
			Addr string `default:".'x" help:"Where to listen.\nOr not."`
			Name string `arg:"" help:"A name."`
		} `cmd:"" help:"Serve."`
		Version
	}
	var out bytes.Buffer
	_, err := Parse(Program{Name: "prog", Description: "A program. It does \\things."}, &g, []string{manCommand}, IO{Out: &out, Err: &out})
	if err != ErrDone { //nolint:errorlint // it is returned as it is
		t.Fatal(err)
	}
	for _, want := range []string{
		`.TH "PROG" 1`, `prog \- A program` + "\n", `.SS "prog serve"`, `.B \-\-addr=`, "Where to listen.\nOr not.", `It does \ething`, "A name.", ".SH EXIT STATUS", `\-\-version`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "'") {
			t.Errorf("a request by accident: %s", line)
		}
	}
}
