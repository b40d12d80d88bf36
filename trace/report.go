package trace

import "encoding/json"

// Reported is a span as it is told on the bus, in an event of TopicSpans: a list of these as JSON.
type Reported struct {
	Trace    string         `json:"trace_id"`
	ID       string         `json:"span_id"`
	Parent   string         `json:"parent_span_id,omitempty"`
	Instance string         `json:"instance"`
	Name     string         `json:"name"`
	Start    int64          `json:"start_unix_ns"`
	End      int64          `json:"end_unix_ns"`
	Error    bool           `json:"error,omitempty"`
	Facts    map[string]any `json:"attributes,omitempty"`
}

// report tells a record's spans to whoever listens.
func (t *Recorder) report(r *Record) {
	var list []Reported
	for _, s := range r.AppendSpans(nil) {
		one := Reported{
			Trace: s.Trace.String(), ID: s.ID.String(), Instance: t.opts.Instance, Name: s.Name, Start: s.Start, End: s.End, Error: s.Error,
			Facts: make(map[string]any),
		}
		if s.Parent != (SpanID{}) {
			one.Parent = s.Parent.String()
		}
		for _, a := range s.Attributes {
			if one.Facts[a.Key] = any(a.Number); a.Text != "" {
				one.Facts[a.Key] = a.Text
			}
		}
		list = append(list, one)
	}
	b, err := json.Marshal(list)
	if err != nil {
		return // there is nothing in it that JSON doesn't have
	}
	_, _ = t.bus.Publish(TopicSpans, b) // what is dropped, the bus counts
}
