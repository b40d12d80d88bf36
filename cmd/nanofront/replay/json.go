package replay

import (
	"encoding/json"
	"io"
	"time"

	"nanofront/internal/recording"
	engine "nanofront/internal/replay"
)

// report is the result as JSON.
type report struct {
	File       string    `json:"file"`
	Created    time.Time `json:"recorded"`
	System     string    `json:"system,omitempty"`
	Target     string    `json:"target"`
	TargetKind string    `json:"target_kind"`
	Pace       string    `json:"pace"`
	Began      time.Time `json:"began"`
	Took       float64   `json:"took_s"`

	Interrupted bool              `json:"interrupted"`
	Differs     bool              `json:"differs"`
	TooLate     bool              `json:"too_late"` // latencies are not to be relied upon
	Total       engine.Counts     `json:"total"`
	FailedBy    map[string]uint64 `json:"failed"`
	Routes      []engine.Route    `json:"routes"`

	Late      *engine.Latency `json:"late,omitempty"`
	Measured  uint64          `json:"late_measured"`
	Busy      uint64          `json:"late_connections_busy"`
	Behind    uint64          `json:"late_not_read"`
	Moved     uint64          `json:"put_off_by_limit"`
	MovedMost float64         `json:"put_off_most_s"`

	Skipped  engine.Skipped `json:"skipped"`
	Lost     recording.Lost `json:"recording_lost"`
	Whole    bool           `json:"recording_whole"`
	Unsorted uint64         `json:"recording_out_of_order"`
	Share    float64        `json:"recording_share"`
}

func printJSON(w io.Writer, f *file, to *target, c *Command, r *engine.Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report{
		File: f.name, Created: f.header.Created, System: f.header.System, Target: to.name, TargetKind: to.kind, Pace: c.pace(),
		Began: r.Began.UTC(), Took: r.Took.Seconds(),
		Interrupted: r.Interrupted, Differs: r.Differs(), TooLate: r.TooLate, Total: r.Total, FailedBy: r.Total.Failed.Map(), Routes: r.Routes,
		Late: r.Late, Measured: r.LateSent, Busy: r.Busy, Behind: r.Behind, Moved: r.Moved, MovedMost: r.MovedMost.Seconds(),
		Skipped: r.Skipped, Lost: f.summary.Lost, Whole: f.whole, Unsorted: f.late, Share: f.header.Share,
	})
}
