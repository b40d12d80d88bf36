package result

import (
	"slices"
	"time"
)

// Format is the version of the file that this package writes, and the only one that it reads so
// far. It rises when a field changes its meaning; a field that is added doesn't change it.
const Format = 1

// Report is all that one call of the benchmark has measured.
type Report struct {
	// Format is [Format] of the program that wrote the report.
	Format int `json:"format"`
	// Name is what was run, in a word or two: "bench run", "gate".
	Name string `json:"name"`
	// Headline says in plain words what came out. Empty if nobody wrote one.
	Headline string    `json:"headline,omitempty"`
	Started  time.Time `json:"started"`
	// Elapsed is from the start of the first run to the end of the last.
	Elapsed     time.Duration `json:"elapsed_ns"`
	Environment Environment   `json:"environment"`
	// Commands reproduce the report, in their order, as typed in the project's folder.
	Commands []string `json:"commands,omitempty"`
	// Runs are in the order in which they ran, rounds interleaved.
	Runs []Run `json:"runs"`
	// Notes are sentences for the reader: what was skipped and why, what was odd.
	Notes []string `json:"notes,omitempty"`
}

// Add appends what was measured anew: its rounds follow, so that they are never mistaken for
// neighbours in time.
func (rep *Report) Add(more *Report) {
	rounds := 0
	for i := range rep.Runs {
		rounds = max(rounds, rep.Runs[i].Round)
	}
	for _, r := range more.Runs {
		r.Round += rounds
		rep.Runs = append(rep.Runs, r)
	}
	rep.Elapsed += more.Elapsed
	for _, n := range more.Notes {
		if !slices.Contains(rep.Notes, n) {
			rep.Notes = append(rep.Notes, n)
		}
	}
}

// Environment is where a report was made. What isn't known is zero.
type Environment struct {
	CPU      string `json:"cpu,omitempty"`
	Cores    int    `json:"cores,omitempty"`
	MemoryMB int64  `json:"memory_mb,omitempty"`
	OS       string `json:"os,omitempty"`
	Kernel   string `json:"kernel,omitempty"`
	Go       string `json:"go,omitempty"`
	// Commit is that of the programs measured, with "+" if the tree had changes.
	Commit string `json:"commit,omitempty"`
	// Flags are those that the system was started with, one program in each string.
	Flags []string `json:"flags,omitempty"`
	// Autogroup is "on" or "off": whether Linux schedules sessions, not processes, against each
	// other (kernel.sched_autogroup_enabled).
	Autogroup string `json:"autogroup,omitempty"`
	// Governor is the CPU frequency governor.
	Governor string `json:"governor,omitempty"`
	// Limits names what bounds the process below the machine: a CPU quota, a memory limit.
	Limits []string `json:"limits,omitempty"`
	Noise  Noise    `json:"noise"`
}

// Noise is how steadily the machine does the same piece of work, see [MeasureNoise].
type Noise struct {
	// SpinP50, SpinP99 and SpinMax are how long one piece took, in microseconds. Undisturbed,
	// all three are about the same.
	SpinP50 float64 `json:"spin_p50_us,omitempty"`
	SpinP99 float64 `json:"spin_p99_us,omitempty"`
	SpinMax float64 `json:"spin_max_us,omitempty"`
	// LostPercent is the share of the time that went to others, or to a slower clock, 0 to 100.
	LostPercent float64 `json:"lost_percent"`
}
