package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/bench/scenario"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/internal/wholefile"
)

type loadCommand struct {
	URL string `arg:"" help:"URL to measure, http://host[:port][/path]."`

	Rate        string        `placeholder:"PLAN" help:"Requests per second of an open loop: 50000, steps such as 1000,2000, or a ramp such as 1000..50000; each with its own duration if you like, such as 1000@10s. Default: a closed loop, as fast as it goes."`
	Arrivals    string        `default:"constant" oneof:"constant,poisson" placeholder:"KIND" help:"How an open loop's requests are spread: constant or poisson."`
	Connections int           `default:"256" range:"1..60000" placeholder:"N" help:"Connections: their number in a closed loop, their maximum in an open one."`
	Duration    time.Duration `default:"10s" range:"10ms..168h" placeholder:"DURATION" help:"Time that is measured, 10ms to 168h."`
	Warmup      time.Duration `default:"1s" range:"0s..168h" placeholder:"DURATION" help:"Time of the same load before that, not counted, 0s to 168h."`
	Timeout     time.Duration `default:"1s" range:"10ms..10m" placeholder:"DURATION" help:"Time limit of a request from when it was sent, 10ms to 10m."`
	LateAfter   time.Duration `default:"10ms" range:"10us..10m" placeholder:"DURATION" help:"A request sent this much after its planned time counts as late, 10us to 10m."`
	Mix         string        `type:"path" placeholder:"FILE" help:"YAML file with the requests to send. Default: GET of the URL."`
	Pipeline    int           `default:"1" range:"1..1024" placeholder:"N" help:"Requests in flight on one connection."`
	Churn       bool          `help:"Open a connection for each request."`
	Seed        uint64        `default:"1" placeholder:"N" help:"Random seed; the same seed sends the same requests."`
	Workers     int           `default:"0" range:"0..64" placeholder:"N" help:"Threads that generate load; 0: as many as needed."`
	MaxErrors   float64       `default:"0.01" range:"0..1" placeholder:"SHARE" help:"Share of failed requests above which the exit code is 1, 0 to 1."`
	Out         string        `type:"path" placeholder:"DIR" help:"Folder that the result is written to: report.json, report.html, the plots, and the latencies as .hgrm. Default: nothing is written."`
	JSON        string        `name:"json" type:"path" placeholder:"FILE" help:"File that only report.json is written to; - for standard output."`
}

// Examples implements cli.Exampler.
func (*loadCommand) Examples() [][2]string {
	return [][2]string{
		{"bench load http://127.0.0.1:8080/hello --rate 5000", "5,000 requests a second, whatever the answers do: what users would see."},
		{"bench load http://127.0.0.1:8080/hello --connections 64", "As fast as 64 connections go."},
		{"bench load http://127.0.0.1:8080/hello --rate 1000..20000 --out result", "A ramp; the report, its plots and the latencies as .hgrm go to the folder result."},
		{"bench load http://127.0.0.1:8080/ --mix mix.yaml --rate 500@9s,900@9s", "Two steps of a mix of requests."},
	}
}

// options makes load.Options of the flags.
func (c *loadCommand) options() (load.Options, error) {
	o := load.Options{
		URL: c.URL, Arrivals: load.Arrivals(c.Arrivals), Connections: c.Connections, Duration: c.Duration, Warmup: c.Warmup,
		Timeout: c.Timeout, LateAfter: c.LateAfter, Pipeline: c.Pipeline, Churn: c.Churn, Seed: c.Seed, Workers: c.Workers,
	}
	if c.Rate != "" {
		stages, err := load.ParseStages(c.Rate, c.Duration)
		if err != nil {
			return o, cli.Usagef("--rate: %w", err)
		}
		o.Stages = stages
	}
	if c.Mix != "" {
		mix, err := load.ReadMix(c.Mix)
		if err != nil {
			return o, cli.Usagef("--mix: %w", err)
		}
		o.Mix = mix
	}
	return o, nil
}

// Run implements command.
func (c *loadCommand) Run(ctx context.Context, std cli.IO) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	file, err := createJSON(c.JSON, std.Out)
	if err != nil {
		return cli.Usagef("--json: %w", err)
	}
	if c.Out != "" { // before the run, too
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return cli.Usagef("--out: %w", err)
		}
	}
	defer func() { _ = file.Close() }() // what isn't whole by then is given up
	out := std.Out
	if c.JSON == "-" {
		out = std.Err
	}
	p := newProgress(std.Err)
	r, err := load.Run(ctx, o, p.show)
	p.end()
	if err != nil {
		if errors.Is(err, load.ErrOptions) {
			return cli.Usagef("%s", strings.TrimPrefix(err.Error(), load.ErrOptions.Error()+": "))
		}
		return err
	}
	rep := c.report(r)
	width, colour := look(out)
	banner := &terminal.Page{Width: width, Colours: terminal.Palette(colour)}
	report.Banner(banner, report.BannerTitle, result.Doubts(rep))
	if _, err := out.Write(banner.Bytes()); err != nil {
		return err
	}
	printSummary(out, r, c.LateAfter)
	if c.JSON != "" {
		err := result.Write(file, rep)
		if err == nil {
			err = file.Commit()
		}
		if err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	if c.Out != "" {
		if err := writeAll(out, c.Out, rep); err != nil {
			return err
		}
	}
	return c.verdict(r)
}

// report makes a report of one run, with its steps as rows of their own.
func (c *loadCommand) report(r *load.Result) *result.Report {
	runs := scenario.RunsOf(r)
	for i := range runs {
		run := &runs[i]
		run.Scenario, run.Subject, run.Round = "load", r.URL, 1
		if run.Loop == result.Open && run.OfferedRate == 0 && run.Duration > 0 {
			run.OfferedRate = float64(run.Planned) / run.Duration.Seconds()
		}
	}
	return &result.Report{
		Name: "bench load", Started: r.Started, Elapsed: r.Duration, Environment: result.ReadEnvironment(),
		Commands: []string{strings.Join(c.reproduce(), " ")},
		Runs:     runs,
	}
}

// reproduce is the command that makes the same load.
func (c *loadCommand) reproduce() []string {
	args := []string{"bin/bench", "load", c.URL}
	add := func(flag, value, none string) {
		if value != none {
			args = append(args, "--"+flag+"="+value)
		}
	}
	add("rate", c.Rate, "")
	add("arrivals", c.Arrivals, string(load.Constant))
	add("connections", fmt.Sprint(c.Connections), "256")
	add("duration", c.Duration.String(), "10s")
	add("warmup", c.Warmup.String(), "1s")
	add("timeout", c.Timeout.String(), "1s")
	add("mix", c.Mix, "")
	add("pipeline", fmt.Sprint(c.Pipeline), "1")
	add("churn", fmt.Sprint(c.Churn), "false")
	add("seed", fmt.Sprint(c.Seed), "1")
	add("workers", fmt.Sprint(c.Workers), "0")
	return args
}

// createJSON opens the file before the run, not after it, when it is too late
// to learn that it can't be written. One that is there stays until the run is over.
func createJSON(name string, out io.Writer) (output, error) {
	switch name {
	case "":
		return stream{io.Discard}, nil
	case "-":
		return stream{out}, nil
	}
	return wholefile.Create(name)
}

// output is where a report goes.
type output interface {
	io.WriteCloser
	// Commit ends it; Close without it gives it up.
	Commit() error
}

type stream struct{ io.Writer }

func (stream) Commit() error { return nil }

func (stream) Close() error { return nil }

// verdict is an error if too much has failed.
func (c *loadCommand) verdict(r *load.Result) error {
	failed := r.Errors.Total()
	switch {
	case r.Sent == 0 && !r.Interrupted:
		return errors.New("no request was sent")
	case r.Sent > 0 && r.OK == 0:
		return errors.New("no request was answered as expected")
	case float64(failed) > c.MaxErrors*float64(r.Sent):
		return fmt.Errorf("%s of %s requests failed: --max-errors allows a share of %v", terminal.Grouped(failed), terminal.Grouped(r.Sent), c.MaxErrors)
	}
	return nil
}
