package cli

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

const day = 24 * time.Hour

// parseAge reads a duration that may be in days.
func parseAge(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(math.Abs(n) <= 100*365) {
			return 0, fmt.Errorf("%q is not a number of days", days)
		}
		return time.Duration(n * float64(day)), nil
	}
	return time.ParseDuration(text)
}

// decodeAge is decodeDuration for what lasts days.
func decodeAge(text string, tag *kong.Tag, target reflect.Value) error {
	d, err := ranged(text, "a duration (such as 90m, 12h or 7d)", tag, parseAge)
	if err == nil {
		target.SetInt(int64(d))
	}
	return err
}

// units of sizes, the longer ones first.
var units = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// parseSize reads a number of bytes.
func parseSize(text string) (int64, error) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil || !(n >= 0 && n*u.bytes < 1<<62) {
				return 0, fmt.Errorf("%q is not a number of bytes", text)
			}
			return int64(n * u.bytes), nil
		}
	}
	return 0, fmt.Errorf("%q is not a size", text) // the last unit fits all
}

// decodeSize is a number of bytes with a unit.
func decodeSize(text string, tag *kong.Tag, target reflect.Value) error {
	n, err := ranged(text, "a size (such as 64MiB or 2GB)", tag, parseSize)
	if err == nil {
		target.SetInt(n)
	}
	return err
}
