package result

import (
	"fmt"
	"slices"
)

// Join makes one report of several, in their order: the rounds of each follow those of the one before, so that they are
// never mistaken for neighbours in time. Name, headline and environment are the first one's; a headline that was
// written for a part goes. Where the environments differ, a note says so. Nil for none; a single report is returned as it is.
func Join(reports ...*Report) *Report {
	if len(reports) < 2 {
		if len(reports) == 0 {
			return nil
		}
		return reports[0]
	}
	first := reports[0]
	sum := &Report{Format: Format, Name: first.Name, Started: first.Started, Environment: first.Environment}
	rounds := 0
	for i, rep := range reports {
		if rep.Started.Before(sum.Started) {
			sum.Started = rep.Started
		}
		sum.Elapsed += rep.Elapsed
		highest := 0
		for _, r := range rep.Runs {
			highest = max(highest, r.Round)
			r.Round += rounds
			sum.Runs = append(sum.Runs, r)
		}
		rounds += highest
		sum.Commands = appendNew(sum.Commands, rep.Commands)
		sum.Notes = appendNew(sum.Notes, rep.Notes)
		for _, d := range []struct{ what, a, b string }{
			{"CPU", first.Environment.CPU, rep.Environment.CPU},
			{"kernel", first.Environment.Kernel, rep.Environment.Kernel},
			{"Go", first.Environment.Go, rep.Environment.Go},
			{"commit", first.Environment.Commit, rep.Environment.Commit},
		} {
			if d.a != d.b {
				sum.Notes = append(sum.Notes, fmt.Sprintf("report %d was made with another %s: %q, the first one with %q", i+1, d.what, d.b, d.a))
			}
		}
	}
	return sum
}

func appendNew(to, from []string) []string {
	for _, s := range from {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}
