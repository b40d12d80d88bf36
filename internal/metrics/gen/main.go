// Command gen writes the catalogue of metrics to the file that it is given.
package main

import (
	"bytes"
	"fmt"
	"os"

	"nanofront/internal/metrics"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments: it takes one, the file to write", len(args))
	}
	var b bytes.Buffer
	if err := metrics.WriteDocument(&b); err != nil {
		return err
	}
	return os.WriteFile(args[0], b.Bytes(), 0o644) //nolint:gosec // a document for everybody
}
