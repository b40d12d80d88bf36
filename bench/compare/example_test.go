package compare_test

import (
	"fmt"
	"time"

	"nanofront/bench/compare"
	"nanofront/bench/result"
)

func ExampleRun() {
	report := func(rates ...float64) *result.Report {
		rep := new(result.Report)
		for i, rate := range rates {
			rep.Runs = append(rep.Runs, result.Run{
				Scenario: "hello", Subject: result.Nanofront, Driver: "wrk", Loop: result.Closed,
				Round: i + 1, Duration: time.Second, Rate: rate,
			})
		}
		return rep
	}
	before, after := report(100_000, 101_000, 99_500, 100_400), report(80_100, 79_000, 80_900, 80_000)
	out, err := compare.Run(before, after, compare.Options{MaxRegression: 0.1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Headline())
	for _, s := range out.Sentences() {
		fmt.Println(s)
	}
	fmt.Println("exit code", out.ExitCode())
	// Output:
	// Of 1 figure: 1 worse.
	// regression: hello, nanofront (wrk, closed loop): req/s got 20 % worse (100,200/s before, 80,050/s now), more than the 10 % that are allowed
	// exit code 1
}
