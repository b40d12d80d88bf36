package routes

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nanofront/internal/cli"
	"nanofront/registry"
)

const document = `
version: 1
routes:
  - {name: hello, match: {path: /hello}, service: echo, timeout: 2s, max_body: 65536}
  - {match: {prefix: /}, service: web}
`

const instances = `
instances:
  - {service: echo, id: echo-1, address: "tcp://127.0.0.1:7101"}
`

// file makes one with such a content.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "doc.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// run runs a command and returns what it printed.
func run(t *testing.T, c interface {
	Run(ctx context.Context, std cli.IO) error
}, in string,
) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = c.Run(t.Context(), cli.IO{In: strings.NewReader(in), Out: &o, Err: &e})
	return o.String(), e.String(), err
}

func TestGet_ShowsTheRoutesInTheOrderInWhichTheyAreTried(t *testing.T) {
	static := cli.Discovery{Static: file(t, document+instances)}
	out, warnings, err := run(t, &getCommand{Discovery: static}, "")
	if err != nil {
		t.Fatal(err)
	}
	hello, rest := strings.Index(out, "/hello"), strings.Index(out, "web")
	if hello < 0 || rest < hello || !strings.Contains(out, "64 KiB") || !strings.Contains(out, "256 KiB") || !strings.Contains(out, "2s") {
		t.Errorf("got\n%s", out)
	}
	if !strings.Contains(warnings, `no instance of "web" is registered (there are echo)`) || strings.Contains(warnings, `of "echo"`) {
		t.Errorf("warnings %q", warnings)
	}
	out, _, err = run(t, &getCommand{Discovery: static, JSON: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := registry.ParseRoutes([]byte(out)); err != nil || len(doc.Routes) != 2 {
		t.Errorf("what is printed can't be applied: %v\n%s", err, out)
	}
}

func TestApply_DryRunSaysWhetherTheFileIsValid(t *testing.T) {
	dry := func(name string) *applyCommand {
		return &applyCommand{Discovery: cli.Discovery{Static: file(t, document+instances)}, File: name, Revision: -1, DryRun: true}
	}
	out, warnings, err := run(t, dry("-"), document)
	if err != nil || out != "- is valid: 2 routes to echo, web\n" || !strings.Contains(warnings, `no instance of "web"`) {
		t.Errorf("from standard input: %q, %q, %v", out, warnings, err)
	}
	bad := file(t, strings.Replace(document, "/hello", "hello", 1))
	if _, _, err := run(t, dry(bad), ""); err == nil || !strings.HasPrefix(err.Error(), bad+": ") {
		t.Errorf("a bad file: %v", err)
	}
	usage := new(cli.UsageError)
	if _, _, err := run(t, dry(filepath.Join(t.TempDir(), "none")), ""); !errors.As(err, &usage) {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := run(t, dry(file(t, strings.Repeat("#", registry.MaxDocument+1))), ""); !errors.As(err, &usage) || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %.200v", err)
	}
}

func TestApply_NeedsEtcd(t *testing.T) {
	c := &applyCommand{Discovery: cli.Discovery{Static: file(t, document+instances)}, File: "-", Revision: -1}
	if _, _, err := run(t, c, document); err == nil || !strings.Contains(err.Error(), "edit the file") {
		t.Errorf("got %v", err)
	}
}

// nobody can say which instances there are.
type nobody struct{}

func (nobody) Instances(context.Context) ([]registry.Instance, error) {
	return nil, errors.New("no answer")
}

func TestWarnMissing_SaysThatItDoesNotKnow(t *testing.T) {
	doc, err := registry.ParseRoutes([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	var e bytes.Buffer
	warnMissing(t.Context(), cli.IO{Err: &e}, nobody{}, doc)
	if got := e.String(); !strings.Contains(got, "can't tell") || !strings.Contains(got, "no answer") {
		t.Errorf("got %q", got)
	}
}
