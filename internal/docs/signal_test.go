package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Docker, systemd and Kubernetes stop a program by SIGTERM: whoever catches
// signals, in whatever we show or run, catches that one.
func TestSignals_SIGTERMIsCaughtEverywhere(t *testing.T) {
	caught := regexp.MustCompile(`signal\.Notify(?:Context)?\([^\n]*`)
	seen := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".md" {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		for _, call := range caught.FindAllString(string(raw), -1) {
			seen[filepath.ToSlash(name)]++
			if strings.Contains(call, "os.Interrupt") && !strings.Contains(call, "syscall.SIGTERM") {
				t.Errorf("%s: %s: SIGTERM ends it at once, with all that is under way", name, call)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"docs/writing-a-handler.md", "handlers/doc.go"} {
		if seen[name] == 0 {
			t.Errorf("%s shows nothing that catches signals: leave it out of this test", name)
		}
	}
}
