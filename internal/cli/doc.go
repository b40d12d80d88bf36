// Package cli is what nanofront's programs share on the way from argv to exit
// code: flags with their environment variables, help, messages, signals.
//
//	type flags struct {
//		cli.Common
//		cli.Version
//		Window int `default:"64" range:"1..65536" placeholder:"N" help:"Requests accepted at once."`
//	}
//
//	func main() { cli.Main("example", run) }
//
//	func run(ctx context.Context, args []string, std cli.IO) error {
//		var f flags
//		if _, err := cli.Parse(cli.Program{Name: "example", Description: "Shows how."}, &f, args, std); err != nil {
//			return err
//		}
//		base, err := f.Start("example", "", nil)
//		if err != nil {
//			return err
//		}
//		defer base.Close()
//		...
//	}
//
// Each flag is also an environment variable, --drain-timeout NANOFRONT_DRAIN_TIMEOUT;
// argv wins. Besides kong's tags a flag can have
//
//	range:"1..65536"    for numbers and durations: the bounds, both allowed
//	oneof:"a,b"         for strings: what is allowed
//	type:"addr"         for strings: host:port, the host may be left out
//	type:"optaddr"      the same, or empty
//	type:"server"       host:port with both, or empty
//	type:"endpoints"    http or https URLs with nothing but host and port, comma-separated
//	type:"path"         a name of a file or folder, taken as it is
//
// A bad flag gives one line that names it and says what is allowed, and exit code 2. The first
// SIGINT, SIGTERM or SIGHUP ends run's context; a second SIGINT or SIGTERM ends the process, with
// 130 or 143.
//
// Pitfall: only panics on the goroutine that calls run are caught.
package cli
