package report

import (
	"context"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// A browser lays each page out within 420 pixels, whatever is unfolded: only the boxes of tables
// scroll.
func TestHTML_ScrollsNeverSideways(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		testutil.Skip(t, "no chromium: apt-get install chromium")
	}
	// Frames, since a window is 500 pixels wide at the least.
	var host strings.Builder
	host.WriteString("<!DOCTYPE html><body>")
	frames := 0
	for name, text := range map[string]string{"whole": page(t, reports()["whole"]), "long": page(t, reports()["long"]), "noisy": page(t, noisy())} {
		for _, width := range []int{360, 420, 1280} {
			script := fmt.Sprintf(`<script>
for (const d of document.querySelectorAll("details")) d.open = true;
const e = document.documentElement;
parent.document.body.append("WIDTH %s-%d " + e.clientWidth + " " + e.scrollWidth + ";");
</script></body>`, name, width)
			_, _ = fmt.Fprintf(&host, `<iframe width="%d" height="900" srcdoc="%s"></iframe>`, width, html.EscapeString(strings.Replace(text, "</body>", script, 1)))
			frames++
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "host.html")
	if err := os.WriteFile(file, []byte(host.String()+"</body>"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"), //nolint:gosec // a browser of the path
		"--dump-dom", "file://"+file).Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	measured := regexp.MustCompile(`WIDTH (\w+-\d+) (\d+) (\d+);`).FindAllStringSubmatch(string(out), -1)
	if len(measured) != frames {
		t.Errorf("%d of %d pages were laid out", len(measured), frames)
	}
	for _, m := range measured {
		if m[2] != m[3] {
			t.Errorf("%s: what is visible is %s pixels wide, the page %s", m[1], m[2], m[3])
		}
	}
}
