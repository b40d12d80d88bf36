package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"nanofront/bench/compare"
	"nanofront/internal/cli"
)

type compareCommand struct {
	Old           string `arg:"" help:"The result before: report.json, or a folder with one."`
	New           string `arg:"" help:"The result after."`
	MaxRegression string `default:"10%" placeholder:"PERCENT" help:"How much worse a figure may be, beyond the noise, before the exit code is 1."`
	Subject       string `default:"nanofront" placeholder:"NAME" help:"Compare only this subject; all if empty."`
}

// Examples implements cli.Exampler.
func (*compareCommand) Examples() [][2]string {
	return [][2]string{
		{"bench compare before after", "What changed from before/report.json to after/report.json."},
		{"bench compare before after --max-regression 5% --subject plain", "Exit code 1 if a figure of plain fasthttp got worse by more than 5 %."},
	}
}

// Run implements command.
func (c *compareCommand) Run(_ context.Context, std cli.IO) error {
	limit, err := percent(c.MaxRegression)
	if err != nil {
		return cli.Usagef("--max-regression: %w", err)
	}
	reps, err := readReports([]string{c.Old, c.New})
	if err != nil {
		return err
	}
	outcome, err := compare.Run(reps[0], reps[1], compare.Options{MaxRegression: limit, Subject: c.Subject})
	if err != nil {
		return err
	}
	width, colour := look(std.Out)
	if err := outcome.Print(std.Out, width, colour); err != nil {
		return err
	}
	if outcome.ExitCode() != 0 {
		return fmt.Errorf("regression: %d figures are worse by more than --max-regression %s", len(outcome.Regressions()), c.MaxRegression)
	}
	return nil
}

// percent is a text such as 10% as a share.
func percent(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%q is not a percentage from 0%% to 100%%", text)
	}
	return v / 100, nil
}
