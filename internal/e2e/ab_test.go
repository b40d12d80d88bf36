package e2e

import (
	"regexp"
	"strconv"
	"testing"

	"nanofront/internal/testutil"
)

var abFigure = regexp.MustCompile(`(?m)^([A-Z][A-Za-z0-9 -]+):\s+(\d+)`)

// ab runs ApacheBench, which speaks HTTP/1.0, and returns its figures by name.
func ab(t *testing.T, url string, args ...string) map[string]int {
	t.Helper()
	c := command{testutil.Command(t, "ab", "apache2-utils"), "-q", "-d", "-S", "-s", "20"}
	out := c.run(t, "", append(args, url)...)
	figures := map[string]int{}
	for _, m := range abFigure.FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		figures[m[1]] = n
	}
	if figures["Complete requests"] == 0 {
		t.Fatalf("ab says %s", out)
	}
	return figures
}
