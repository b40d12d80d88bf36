package record

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/recording"
	"nanofront/internal/terminal"
)

type showCommand struct {
	File  string        `arg:"" type:"path" placeholder:"FILE" help:"The recording."`
	From  time.Duration `default:"0s" range:"0s..8784h" placeholder:"DURATION" help:"Begin this long after the first record."`
	Limit int           `default:"40" range:"0..10000" placeholder:"N" help:"Records to list at most; 0 for none. With --json: all, unless it is given."`
	JSON  bool          `name:"json" help:"Print a line of JSON for each record, with fields and bodies' hashes, after one for the recording."`
}

// Run implements command.
func (c *showCommand) Run(ctx context.Context, std cli.IO) error {
	r, err := recording.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	s, whole := r.Summary()
	if c.From > 0 {
		if err := r.Seek(time.Unix(0, s.First).Add(c.From)); err != nil {
			return err
		}
	}
	if c.JSON {
		return c.lines(ctx, std.Out, r)
	}
	facts(std.Out, c.File, r, info.Size())
	if !whole {
		_, _ = fmt.Fprintln(std.Err, "the recording was not ended properly: what was written last is missing")
	}
	return c.table(std, r)
}

// facts says what a recording is of.
func facts(w io.Writer, name string, r *recording.Reader, size int64) {
	h := r.Header()
	s, _ := r.Summary()
	t := terminal.Table{Columns: []terminal.Column{{}, {}}}
	first, last := time.Unix(0, s.First), time.Unix(0, s.Last)
	t.Add("recording", fmt.Sprintf("%s: %s, %s", terminal.Printable(name), terminal.Count(s.Records, "record"), bytesOf(size)))
	if s.Records > 0 {
		t.Add("from", fmt.Sprintf("%s, for %s", first.UTC().Format("2006-01-02 15:04:05.000 UTC"), terminal.Duration(last.Sub(first))))
	}
	of := "all requests"
	if h.Share < 1 {
		of = fmt.Sprintf("%s of 1 of all requests", strconv.FormatFloat(h.Share, 'g', 6, 64))
	}
	if len(h.Services) > 0 {
		of += " to " + strings.Join(h.Services, ", ")
	}
	if len(h.Routes) > 0 {
		of += " of route " + strings.Join(h.Routes, ", ")
	}
	t.Add("of", terminal.Printable(of+", system "+h.System))
	t.Add("lost", strings.TrimPrefix(lostLine(&s.Lost), "lost or lacking: "))
	key := "thrown away"
	if h.KeyKept {
		key = "in a file"
	}
	t.Add("replaced", terminal.Printable(fmt.Sprintf("by key %s, which is %s; paths: %s", h.KeyID, key, h.Paths)))
	if kept := append(append([]string{}, h.KeptFields...), h.KeptQuery...); len(kept) > 0 || h.KeptIDs {
		if h.KeptIDs {
			kept = append(kept, "request and trace ids")
		}
		t.Add("kept", terminal.Printable(strings.Join(kept, ", ")))
	}
	t.Add("expires", h.Expires.UTC().Format("2006-01-02 15:04 UTC"))
	t.Print(w, 0, false)
}

// table lists records.
func (c *showCommand) table(std cli.IO, r *recording.Reader) error {
	if c.Limit == 0 {
		return nil
	}
	s, _ := r.Summary()
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "after", Right: true},
		{Head: "hop", Right: true, Drop: 4},
		{Head: "instance", Drop: 2},
		{Head: "request", Least: 24},
		{Head: "answer"},
		{Head: "latency", Right: true},
		{Head: "body", Right: true, Drop: 3},
		{Head: "id", Drop: 5},
	}}
	n := 0
	var rec recording.Record
	for ; n < c.Limit; n++ {
		err := r.Next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		target := rec.Path
		if rec.Query != "" {
			target += "?" + rec.Query
		}
		answer, style := answerOf(&rec)
		latency := ""
		if rec.Outcome != recording.Unanswered {
			latency = terminal.Duration(rec.Answer.Latency)
		}
		t.AddCells(
			terminal.Cell{Text: terminal.Duration(time.Duration(rec.At - s.First))},
			terminal.Cell{Text: strconv.Itoa(rec.Hop)},
			terminal.Cell{Text: terminal.Printable(rec.Instance)},
			terminal.Cell{Text: terminal.Printable(rec.Method + " " + target)},
			terminal.Cell{Text: answer, Style: style},
			terminal.Cell{Text: latency},
			terminal.Cell{Text: sizeOf(&rec.Answer.Body)},
			terminal.Cell{Text: terminal.Printable(rec.RequestID)},
		)
	}
	if n == 0 {
		return nil
	}
	_, _ = fmt.Fprintln(std.Out) // as all output of a command
	t.Print(std.Out, terminal.Width(std.Out), terminal.Colours(std.Out))
	if err := r.Next(&rec); err == nil {
		_, _ = fmt.Fprintf(std.Out, "There are more: --limit lists more of them, --from later ones, --json all.\n") // as above
	}
	return nil
}

func answerOf(rec *recording.Record) (string, terminal.Style) {
	switch {
	case rec.Outcome == recording.Failed:
		return terminal.Printable(rec.Code), terminal.Red
	case rec.Outcome != recording.Answered:
		return rec.Outcome.String(), terminal.Yellow
	case rec.Answer.Status >= 500:
		return strconv.Itoa(rec.Answer.Status), terminal.Red
	case rec.Answer.Status >= 400:
		return strconv.Itoa(rec.Answer.Status), terminal.Yellow
	default:
		return strconv.Itoa(rec.Answer.Status), terminal.Plain
	}
}

func sizeOf(b *recording.Body) string {
	switch {
	case b.Size < 0:
		return "stream"
	case b.Size == 0:
		return ""
	default:
		return bytesOf(b.Size)
	}
}

// jsonBody is a body in JSON.
type jsonBody struct {
	Bytes  int64  `json:"bytes"`
	Copied int64  `json:"copied_bytes"`
	Hash   string `json:"hash,omitempty"`
}

func bodyJSON(b *recording.Body) *jsonBody {
	if *b == (recording.Body{}) {
		return nil
	}
	return &jsonBody{b.Size, b.Copied, hex.EncodeToString(b.Hash[:])}
}

// jsonRecord is a record in JSON.
type jsonRecord struct {
	Time      time.Time   `json:"time"`
	Hop       int         `json:"hop"`
	Service   string      `json:"service"`
	Instance  string      `json:"instance"`
	Peer      string      `json:"peer"`
	RequestID string      `json:"request_id,omitempty"`
	TraceID   string      `json:"trace_id,omitempty"`
	Route     string      `json:"route,omitempty"`
	Method    string      `json:"method"`
	Scheme    string      `json:"scheme"`
	Host      string      `json:"host"`
	Path      string      `json:"path"`
	Query     string      `json:"query,omitempty"`
	Client    string      `json:"client,omitempty"`
	Budget    int64       `json:"budget_us"`
	Header    [][2]string `json:"header,omitempty"`
	Body      *jsonBody   `json:"body,omitempty"`
	Outcome   string      `json:"outcome"`
	Code      string      `json:"code,omitempty"`
	Status    int         `json:"status,omitempty"`
	Queue     int64       `json:"queue_us"`
	Work      int64       `json:"work_us"`
	Latency   int64       `json:"latency_us"`
	Answer    [][2]string `json:"answer_header,omitempty"`
	Returned  *jsonBody   `json:"answer_body,omitempty"`
}

func headerJSON(fields []recording.Field) (list [][2]string) {
	for _, f := range fields {
		list = append(list, [2]string{f.Name, f.Value})
	}
	return list
}

// lines prints what the recording is of, and then each record.
func (c *showCommand) lines(ctx context.Context, out io.Writer, r *recording.Reader) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	s, whole := r.Summary()
	if err := e.Encode(map[string]any{"recording": r.Header(), "summary": s, "whole": whole}); err != nil {
		return err
	}
	var rec recording.Record
	for n := 0; c.Limit == defaultLimit || n < c.Limit; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := r.Next(&rec)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		a := &rec.Answer
		err = e.Encode(jsonRecord{
			Time: time.Unix(0, rec.At).UTC(), Hop: rec.Hop, Service: rec.Service, Instance: rec.Instance, Peer: rec.Peer,
			RequestID: rec.RequestID, TraceID: rec.TraceID, Route: rec.Route, Method: rec.Method, Scheme: rec.Scheme, Host: rec.Host,
			Path: rec.Path, Query: rec.Query, Client: rec.Client, Budget: rec.Budget.Microseconds(), Header: headerJSON(rec.Fields), Body: bodyJSON(&rec.Body),
			Outcome: rec.Outcome.String(), Code: rec.Code, Status: a.Status, Queue: a.Queue.Microseconds(), Work: a.Work.Microseconds(),
			Latency: a.Latency.Microseconds(), Answer: headerJSON(a.Fields), Returned: bodyJSON(&a.Body),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// defaultLimit is that of the flag.
const defaultLimit = 40
