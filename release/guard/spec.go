package guard

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrSpec is what each error of Parse wraps.
var ErrSpec = errors.New("guard")

// Lines are the two of a figure.
type Lines struct {
	Tolerated   float64 `json:"tolerated"`
	Intolerable float64 `json:"intolerable"`
}

// Spec says what a new version may do. A figure whose lines are both 0 isn't guarded.
type Spec struct {
	Errors Lines // how many more of all requests may fail than of the old version's: 0.002 is 0.2 points
	P99    Lines // by what factor the 99th percentile may be longer
	Diff   Lines // the share of compared answers that may differ
}

// Default is the guard of a release that names none: errors +0.2..+0.5pt, p99 x1.1..x1.3.
func Default() Spec {
	return Spec{Errors: Lines{0.002, 0.005}, P99: Lines{1.1, 1.3}}
}

// Parse reads a guard: figures with their two lines, parted by commas, as in
//
//	errors +0.2..+0.5pt, p99 x1.1..x1.3, diff 0.1%
//
// A difference may have a single line; its intolerable one is twice that.
func Parse(text string) (Spec, error) {
	var s Spec
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(text, ",") {
		name, lines, _ := strings.Cut(strings.TrimSpace(part), " ")
		lines = strings.TrimSpace(lines)
		if name == "" {
			return Spec{}, fmt.Errorf("%w: %q: a figure is missing; want e.g. %q", ErrSpec, text, Default())
		}
		if seen[name] {
			return Spec{}, fmt.Errorf("%w: %s is there twice", ErrSpec, name)
		}
		seen[name] = true
		var err error
		switch name {
		case "errors":
			s.Errors, err = errorLines(lines)
		case "p99":
			s.P99, err = p99Lines(lines)
		case "diff":
			s.Diff, err = diffLines(lines)
		default:
			return Spec{}, fmt.Errorf("%w: unknown figure %q: there are errors, p99 and diff", ErrSpec, name)
		}
		if err != nil {
			return Spec{}, fmt.Errorf("%w: %s %q: %w", ErrSpec, name, lines, err)
		}
	}
	return s, nil
}

func errorLines(text string) (Lines, error) {
	const want = "want the points by which more may fail, tolerated..intolerable, as in +0.2..+0.5pt"
	body, ok := strings.CutSuffix(text, "pt")
	if !ok {
		return Lines{}, errors.New(want)
	}
	l, err := two(strings.TrimSpace(body), "+", want)
	if err != nil {
		return Lines{}, err
	}
	if l.Intolerable > 50 {
		return Lines{}, fmt.Errorf("%v points are more than the 50 that are allowed", l.Intolerable)
	}
	return Lines{l.Tolerated / 100, l.Intolerable / 100}, nil
}

func p99Lines(text string) (Lines, error) {
	l, err := two(text, "x", "want the factors by which it may be longer, tolerated..intolerable, as in x1.1..x1.3")
	switch {
	case err != nil:
		return Lines{}, err
	case l.Tolerated < 1:
		return Lines{}, fmt.Errorf("x%v would have the new version be faster: want x1 at the least", l.Tolerated)
	case l.Intolerable > 100:
		return Lines{}, fmt.Errorf("x%v is more than the x100 that is allowed", l.Intolerable)
	case l.Intolerable < 1.05*l.Tolerated:
		// Durations are counted in buckets of 1.6 %.
		return Lines{}, fmt.Errorf("the lines are less than 5 %% apart: no number of requests could tell them")
	}
	return l, nil
}

func diffLines(text string) (Lines, error) {
	const want = "want the share of answers that may differ, as in 0.1%, or tolerated..intolerable, as in 0.1..0.3%"
	body, ok := strings.CutSuffix(text, "%")
	if !ok {
		return Lines{}, errors.New(want)
	}
	body = strings.TrimSpace(body)
	if !strings.Contains(body, "..") {
		v, err := number(body, "", want)
		if err != nil {
			return Lines{}, err
		}
		body = fmt.Sprintf("%v..%v", v, 2*v)
	}
	l, err := two(strings.ReplaceAll(body, "%..", ".."), "", want)
	switch {
	case err != nil:
		return Lines{}, err
	case l.Intolerable > 50:
		return Lines{}, fmt.Errorf("%v %% is more than the 50 %% that is allowed", l.Intolerable)
	}
	return Lines{l.Tolerated / 100, l.Intolerable / 100}, nil
}

// two reads a..b, each with the sign before it.
func two(text, sign, want string) (l Lines, err error) {
	a, b, ok := strings.Cut(text, "..")
	if !ok {
		return l, errors.New(want)
	}
	if l.Tolerated, err = number(a, sign, want); err != nil {
		return l, err
	}
	if l.Intolerable, err = number(b, sign, want); err != nil {
		return l, err
	}
	if l.Intolerable <= l.Tolerated {
		return l, fmt.Errorf("the intolerable line, %v, must be above the tolerated one, %v", l.Intolerable, l.Tolerated)
	}
	return l, nil
}

func number(text, sign, want string) (float64, error) {
	text = strings.TrimSpace(text)
	body, ok := strings.CutPrefix(text, sign)
	if !ok {
		return 0, fmt.Errorf("%q has no %s before it: %s", text, sign, want)
	}
	// ParseFloat also takes inf, nan, hexadecimal and signs.
	v, err := strconv.ParseFloat(body, 64)
	if err != nil || strings.Trim(body, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no number: %s", body, want)
	}
	return v, nil
}

// String writes the guard as Parse reads it.
func (s Spec) String() string {
	var parts []string
	if s.Errors != (Lines{}) {
		parts = append(parts, fmt.Sprintf("errors +%s..+%spt", short(s.Errors.Tolerated*100), short(s.Errors.Intolerable*100)))
	}
	if s.P99 != (Lines{}) {
		parts = append(parts, fmt.Sprintf("p99 x%s..x%s", short(s.P99.Tolerated), short(s.P99.Intolerable)))
	}
	if s.Diff != (Lines{}) {
		parts = append(parts, fmt.Sprintf("diff %s..%s%%", short(s.Diff.Tolerated*100), short(s.Diff.Intolerable*100)))
	}
	return strings.Join(parts, ", ")
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// figures are the names of those that are guarded.
func (s Spec) figures() (list []string) {
	for _, f := range []struct {
		name  string
		lines Lines
	}{{Errors, s.Errors}, {P99, s.P99}, {Diff, s.Diff}} {
		if f.lines != (Lines{}) {
			list = append(list, f.name)
		}
	}
	return list
}

func (s Spec) lines(figure string) Lines {
	switch figure {
	case Errors:
		return s.Errors
	case P99:
		return s.P99
	}
	return s.Diff
}
