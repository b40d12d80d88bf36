package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"nanofront/internal/terminal"
	"nanofront/internal/wholefile"
)

// What a file may hold at most.
const (
	MaxFileBytes = 256 << 20
	MaxRuns      = 10_000
	maxPoints    = 100_000 // of a run's series
	maxItems     = 1000    // of any other list of a run
	maxText      = 1000    // bytes of a name
)

// Errors of [Read], to be told apart with errors.Is.
var (
	ErrNotReport = errors.New("result: not a report of bench")
	ErrNewer     = errors.New("result: the report was written by a newer bench")
	ErrOlder     = errors.New("result: the report was written by an older bench")
	ErrInvalid   = errors.New("result: the report is invalid")
)

// Write writes a report as JSON, and sets its Format.
func Write(w io.Writer, rep *Report) error {
	rep.Format = Format
	if err := rep.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// WriteFile writes a report to a file, whole or not at all.
func WriteFile(name string, rep *Report) error {
	if err := wholefile.Write(name, func(w io.Writer) error { return Write(w, rep) }); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return nil
}

// ReadFile reads a report from a file; the errors of [Read], with the file's name.
func ReadFile(name string) (*Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	rep, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rep, nil
}

// Read reads a report. Fields that it doesn't know are ignored. The error wraps [ErrNotReport],
// [ErrNewer], [ErrOlder], [ErrInvalid] or [ErrHistogram], or is the reader's.
func Read(r io.Reader) (*Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%w: larger than %d MiB", ErrNotReport, MaxFileBytes>>20)
	}
	var head struct {
		Format *int             `json:"format"`
		Runs   *json.RawMessage `json:"runs"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
	}
	switch {
	case head.Format == nil:
		return nil, fmt.Errorf("%w: it has no \"format\"", ErrNotReport)
	case *head.Format > Format:
		return nil, fmt.Errorf("%w: format %d, this one reads %d; use a bench as new as the report", ErrNewer, *head.Format, Format)
	case *head.Format < Format:
		return nil, fmt.Errorf("%w: format %d, this one reads %d; run the benchmark again", ErrOlder, *head.Format, Format)
	case head.Runs == nil:
		return nil, fmt.Errorf("%w: it has no \"runs\"", ErrNotReport)
	}
	rep := new(Report)
	if err := json.Unmarshal(data, rep); err != nil {
		if errors.Is(err, ErrHistogram) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := rep.check(); err != nil {
		return nil, err
	}
	return rep, nil
}

// check holds a report against what everybody relies on who reads one.
func (rep *Report) check() error {
	if len(rep.Runs) > MaxRuns {
		return fmt.Errorf("%w: %d runs, at most %d are read", ErrInvalid, len(rep.Runs), MaxRuns)
	}
	for i := range rep.Runs {
		if err := rep.Runs[i].check(); err != nil {
			return fmt.Errorf("%w: run %d (%s, %s): %w", ErrInvalid, i+1, cut(rep.Runs[i].Scenario), cut(rep.Runs[i].Subject), err)
		}
	}
	return nil
}

func (r *Run) check() error {
	for _, f := range []struct{ name, value string }{{"scenario", r.Scenario}, {"subject", r.Subject}, {"driver", r.Driver}} {
		if f.value == "" || len(f.value) > maxText {
			return fmt.Errorf("%s must have 1 to %d bytes, has %d", f.name, maxText, len(f.value))
		}
	}
	if r.Loop != Open && r.Loop != Closed && r.Loop != Idle {
		return fmt.Errorf("loop must be %q, %q or %q, is %q", Open, Closed, Idle, cut(r.Loop))
	}
	if r.Round < 1 {
		return fmt.Errorf("round must be 1 or more, is %d", r.Round)
	}
	if r.Duration <= 0 {
		return fmt.Errorf("duration must be more than 0, is %v", r.Duration)
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"rate", r.Rate}, {"offered_rate", r.OfferedRate}} {
		if f.value < 0 || math.IsNaN(f.value) || math.IsInf(f.value, 0) {
			return fmt.Errorf("%s must be 0 or more, is %v", f.name, f.value)
		}
	}
	for _, f := range []struct {
		name     string
		n, limit int
	}{
		{"series", len(r.Series), maxPoints},
		{"entries", len(r.Entries), maxItems},
		{"processes", len(r.Processes), maxItems},
		{"stages", len(r.Stages), maxItems},
		{"events", len(r.Events), maxItems},
	} {
		if f.n > f.limit {
			return fmt.Errorf("%s has %d entries, at most %d are read", f.name, f.n, f.limit)
		}
	}
	return nil
}

// cut shortens what may be anything for a message.
func cut(s string) string { return terminal.Clip(s, 40) }
