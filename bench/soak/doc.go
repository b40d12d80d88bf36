// Package soak has a system under an even load for a long time, and tells what has grown by then.
//
//	outcome, err := soak.Run(ctx, soak.Options{Bin: "bin", Dir: dir, Rate: 20_000, Duration: time.Hour})
//	if err != nil {
//		return err
//	}
//	outcome.Print(os.Stdout, 100, true)
//
// The system is a terminator and two echo handlers, as programs. What the first tenth of the time
// was like is held against the last: memory and goroutines of each process, and latency.
package soak
