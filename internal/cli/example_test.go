package cli_test

import (
	"context"
	"fmt"
	"os"

	"nanofront/internal/cli"
)

func Example() {
	type flags struct {
		cli.Common
		cli.Version
		Window int `default:"64" range:"1..65536" placeholder:"N" help:"Requests taken at once."`
	}
	run := func(_ context.Context, args []string, std cli.IO) error {
		var f flags
		if _, err := cli.Parse(cli.Program{Name: "example", Description: "Shows how."}, &f, args, std); err != nil {
			return err
		}
		fmt.Println("window", f.Window, "drain", f.DrainTimeout)
		return nil
	}
	std := cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	_ = run(context.Background(), []string{"--window", "8"}, std)
	fmt.Println(run(context.Background(), []string{"--window", "0"}, std))
	// Output:
	// window 8 drain 10s
	// --window: 0 is out of range: it must be from 1 to 65536
}
