package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestToggles_ChangeAPage: a toggle that is set by the command shows in the next page of all
// handlers, with 10,000 others loaded; it stays while etcd hangs, and is reported stale then.
func TestToggles_ChangeAPage(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	plum := func() bool { return strings.Contains(ask(t, s.http, get("/")).body, "#7b2d74") }
	if plum() {
		t.Fatal("the page is plum before the toggle was set")
	}
	var many strings.Builder
	many.WriteString(`{"flags": {`)
	for i := range 10_000 {
		if i > 0 {
			many.WriteString(",")
		}
		fmt.Fprintf(&many, `"t-%d": {"variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": {"if": [{"==": [{"var": "cookie.plan"}, "p%d"]}, "on"]}}`, i, i)
	}
	many.WriteString("}}")
	file := filepath.Join(t.TempDir(), "many.json")
	writeFile(t, file, many.String())
	if f := s.nanofront(t, "toggle", "import", file); f.code != 0 || !strings.Contains(f.out, "10000 new") {
		t.Fatalf("import: exit code %d\n%s", f.code, f.out)
	}
	for i := range 6 {
		look := []string{"plum", "amber"}[i%2]
		f := s.nanofront(t, "toggle", "set", "web-look="+look, "t-77=on", "--wait", "1m")
		if f.code != 0 || !strings.Contains(f.out, "in force at all of 2 handlers within ") {
			t.Fatalf("set: exit code %d\n%s", f.code, f.out)
		}
		t.Log(lineWith(f.out, "in force"))
		for range 20 { // both instances are asked
			if plum() != (look == "plum") {
				t.Fatalf("a page isn't %s although the toggle is in force", look)
			}
		}
	}
	for args, want := range map[string]string{
		"toggle test web-look --context targetingKey=me": "amber",
		"toggle get web-look":                            `"defaultVariant": "amber"`,
		"toggle set web-look=green":                      "has no variant",
		"toggle set wbe-look=plum":                       `there is no toggle "wbe-look"`,
		"toggle set web-look=plum --revision 1":          "somebody changed it",
	} {
		if f := s.nanofront(t, strings.Fields(args)...); !strings.Contains(f.out, want) || (f.code == 0) != !strings.Contains(args, "set") {
			t.Errorf("%s: exit code %d, no %q in\n%s", args, f.code, want, f.out)
		}
	}

	admins := []string{}
	for _, in := range status(t, s.etcd, s.admin).Instances {
		if in.Service == "web" {
			admins = append(admins, in.Admin)
		}
	}
	etcd := s.child(t, "etcd")
	if err := syscall.Kill(etcd, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(etcd, syscall.SIGCONT) }() // or the system can't end
	for _, admin := range admins {
		testutil.Eventually(t, "it is stale, and says so", func() bool {
			_, body, err := adminGet(admin, "/readyz")
			return err == nil && strings.Contains(body, "degraded: etcd doesn't answer: toggles stay as they were last known") && figures(t, admin).Gauges["toggles.stale"] == 1
		})
	}
	for range 20 {
		if !strings.Contains(ask(t, s.http, get("/")).body, "#8a5200") {
			t.Fatal("the page isn't amber any more, for want of etcd")
		}
	}
	if err := syscall.Kill(etcd, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, admin := range admins {
		testutil.Eventually(t, "nothing is stale", func() bool { return figures(t, admin).Gauges["toggles.stale"] == 0 })
	}
}
