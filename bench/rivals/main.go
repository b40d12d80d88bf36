// Command rivals compares request/reply over nanobus with seven other ways to do it: their
// implementations are in this folder's tests, one file each, with the benchmark that drives them.
// In a round each case (callers, body) is run by one peer after the other, so that whatever else
// the machine does hits all of them; a ratio is taken within a round, and the median of the rounds'
// ratios is printed.
//
//	go run ./bench/rivals -rounds 5 -callers 256 -body 128
//
// What the benchmark printed goes to a file unchanged, for benchstat.
//
// The rest of bench reaches the system from outside. The tests of this folder are the exception:
// they import nanobus and mangos, since what they compare are libraries. The command itself
// doesn't.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nanofront/internal/wholefile"
)

// runTimeout bounds one run of one peer in one case.
const runTimeout = 3 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds    int
	benchtime string
	out       string
	peers     []string
	callers   []int
	bodies    []int
}

func parse(args []string, stderr io.Writer) (*options, error) {
	var o options
	fs := flag.NewFlagSet("rivals", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.rounds, "rounds", 5, "how often each peer runs each case, 1 to 1000")
	fs.StringVar(&o.benchtime, "benchtime", "1s", "length of a run: a duration, or a number of round trips as 1000x")
	fs.StringVar(&o.out, "out", "bench-peers.txt", "file for what the benchmarks print")
	peers := fs.String("peers", "nanobus,tcp-pingpong,mangos-req,mangos-rawreq,mangos-bus,nats,http,grpc", "who takes part")
	callers := fs.String("callers", "1,16,256,1024", "numbers of callers")
	bodies := fs.String("body", "128,4096", "sizes of a body in bytes")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q: want flags only", fs.Arg(0))
	}
	if o.rounds < 1 || o.rounds > 1000 {
		return nil, fmt.Errorf("-rounds %d: want 1 to 1000", o.rounds)
	}
	o.peers = strings.Split(*peers, ",")
	if o.peers[0] != baseline {
		return nil, fmt.Errorf("-peers %s: want %s first: the others are held against it", *peers, baseline)
	}
	var err error
	if o.callers, err = numbers("callers", *callers); err != nil {
		return nil, err
	}
	if o.bodies, err = numbers("body", *bodies); err != nil {
		return nil, err
	}
	return &o, nil
}

func numbers(name, list string) ([]int, error) {
	var ns []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s %s: %q is not a number above 0", name, list, s)
		}
		ns = append(ns, n)
	}
	return ns, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rivals-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the system's temporary directory
	binary := filepath.Join(dir, "rivals.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "nanofront/bench/rivals")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the benchmarks: %w\n%s", err, out)
	}
	raw, err := wholefile.Create(o.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.Close()) }()
	all, err := rounds(ctx, o, func(ctx context.Context, pattern string) (string, error) {
		return bench(ctx, binary, pattern, o.benchtime)
	}, raw, stderr)
	if err != nil {
		return err
	}
	return errors.Join(all.write(stdout), raw.Commit())
}

// bench runs what the pattern names, once, and returns what it printed.
func bench(ctx context.Context, binary, pattern, benchtime string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench="+pattern,
		"-test.benchtime="+benchtime, "-test.timeout="+runTimeout.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", pattern, err, out.String())
	}
	return out.String(), nil
}

// rounds runs everything and collects the results.
func rounds(ctx context.Context, o *options, bench func(ctx context.Context, pattern string) (string, error), raw, progress io.Writer) (*results, error) {
	all := newResults(o.peers)
	turn := 0
	for round := range o.rounds {
		for _, callers := range o.callers {
			for _, body := range o.bodies {
				for i := range o.peers {
					// Who comes first changes, so that nobody is always
					// behind the same neighbour.
					peer := o.peers[(turn+i)%len(o.peers)]
					pattern := fmt.Sprintf("^BenchmarkRequestReply$/^peer=%s$/^callers=%d$/^body=%d$", peer, callers, body)
					out, err := bench(ctx, pattern)
					if err != nil {
						return nil, err
					}
					if _, err := io.WriteString(raw, out); err != nil {
						return nil, err
					}
					if err := all.add(round, out); err != nil {
						return nil, fmt.Errorf("%s: %w", pattern, err)
					}
				}
				turn++
			}
		}
		_, _ = fmt.Fprintf(progress, "round %d of %d done\n", round+1, o.rounds) // nowhere to report a failure
	}
	return all, nil
}
