package drivers

import (
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/result"
)

//go:embed wrk.lua
var wrkScript string

// wrkMark is before the line that the script prints.
const wrkMark = "nanofront-bench "

func wrkCommand(l *Load) ([]string, error) {
	name := filepath.Join(l.Dir, "wrk.lua")
	if err := os.WriteFile(name, []byte(wrkMix(l)+wrkScript), 0o600); err != nil {
		return nil, fmt.Errorf("drivers: %w", err)
	}
	return []string{
		"-t" + strconv.Itoa(l.threads()), "-c" + strconv.Itoa(l.Connections), "-d" + strconv.Itoa(l.seconds()) + "s",
		"--timeout", "5s", "--latency", "-s", name, l.URL + "/",
	}, nil
}

// wrkMix is the mix as a Lua table.
func wrkMix(l *Load) string {
	var b strings.Builder
	b.WriteString("local mix = {\n")
	for i := range l.Mix.Requests {
		r := &l.Mix.Requests[i]
		weight, method := r.Weight, r.Method
		if weight == 0 {
			weight = 1
		}
		if method == "" {
			method = "GET"
		}
		fmt.Fprintf(&b, "  {weight = %g, method = %s, path = %s, headers = {", weight, luaString(method), luaString(r.Path))
		for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
			fmt.Fprintf(&b, "[%s] = %s, ", luaString(name), luaString(r.Headers[name]))
		}
		if l.Churn {
			b.WriteString(`["Connection"] = "close", `)
		}
		b.WriteString("}")
		if body := bodyOf(r); body != "" {
			fmt.Fprintf(&b, ", body = %s", luaString(body))
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func bodyOf(r *load.Request) string {
	if r.BodySize > 0 {
		return strings.Repeat("x", r.BodySize)
	}
	return r.Body
}

// luaString is a literal: all that is not plain ASCII as a decimal escape.
func luaString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, "\\%03d", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// wrkResult is what the script prints. Times are µs.
type wrkResult struct {
	Requests, Duration, Bytes              uint64
	Connect, Read, Write, Status, Timeout  uint64
	Mean                                   float64
	Min, Max, P50, P75, P90, P99, P999, P4 float64
}

func wrkParse(out string, _ *Load, r *result.Run) error {
	_, line, ok := strings.Cut(out, wrkMark)
	if !ok {
		return errors.New("its script printed nothing")
	}
	line, _, _ = strings.Cut(line, "\n")
	var w wrkResult
	if err := json.Unmarshal([]byte(line), &w); err != nil {
		return err
	}
	r.Duration = time.Duration(w.Duration) * time.Microsecond // minutes at most
	lost := w.Connect + w.Read + w.Write + w.Timeout
	r.Completed, r.Sent, r.BytesIn = w.Requests, w.Requests+lost, w.Bytes
	good := w.Requests - min(w.Requests, w.Status)
	r.Rate = float64(good) / r.Duration.Seconds()
	r.Failed = counts(map[string]uint64{"connect": w.Connect, "reset": w.Read + w.Write, "timeout": w.Timeout, "status": w.Status})
	const ms = 1e3
	r.Latency = result.FromDigest(result.Digest{
		Count: w.Requests, Mean: w.Mean / ms, Min: w.Min / ms, P50: w.P50 / ms, P75: w.P75 / ms, P90: w.P90 / ms, P99: w.P99 / ms,
		P999: w.P999 / ms, P9999: w.P4 / ms, Max: w.Max / ms,
	})
	return nil
}

// counts leaves zeros out; nil if nothing is left.
func counts(all map[string]uint64) map[string]uint64 {
	maps.DeleteFunc(all, func(_ string, n uint64) bool { return n == 0 })
	if len(all) == 0 {
		return nil
	}
	return all
}
