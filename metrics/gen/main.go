// Command gen writes the catalogue of metrics to the file that it is given.
package main

import (
	"fmt"
	"os"

	"nanofront/internal/wholefile"
	"nanofront/metrics"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments: want one, the file to write", len(args))
	}
	return wholefile.Write(args[0], metrics.WriteDocument)
}
