package unixpath

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// The limit is the system's: one byte more is refused by it, too.
func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, more := range []int{0, 1} {
		path := filepath.Join(".", strings.Repeat("s", Max+more))
		l, err := net.Listen("unix", path)
		if err == nil {
			_ = l.Close()
		}
		if checked := Check(path); (checked == nil) != (err == nil) {
			t.Errorf("%d bytes: Check says %v, the system %v", len(path), checked, err)
		}
	}
}
