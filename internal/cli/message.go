package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// UsageError is a mistake in the command line. The program exits with 2.
type UsageError struct {
	Err error
	// Command is whose --help tells more, the program's if it is empty.
	Command string
	// Help, if set, is said in place of Err.
	Help string
}

// Error is the text of Err.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UsageError) Unwrap() error { return e.Err }

// CodeError ends the program with a code of its own, such as that of a command that it ran.
type CodeError struct {
	Code int
	Err  error
}

// Error is the text of Err.
func (e *CodeError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *CodeError) Unwrap() error { return e.Err }

// Usagef makes a *UsageError, its text as fmt.Errorf makes it.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// mistakes is implemented by errors about a document, that are many: each gets a
// line of its own.
type mistakes interface {
	error
	Mistakes() []string
}

// packages are the names that errors begin with, for readers of code and logs. They mean nothing to
// a user who has typed a command. Names that do mean something stay: etcd, and the roles.
const packages = `admin|admission|blocking|buildinfo|busflags|chaos|cli|compare|conns|discovery|drivers|` +
	`dashboards|embedded|eventloop|exchange|fleet|forwarded|freeport|handlers|handover|http1|httpmsg|lastknown|` +
	`load|logging|metrics|nanobus|otlp|peers|program|rawhttp|rawsock|recording|registry|release|replay|report|result|` +
	`scenario|slots|soak|static|supervisor|system|systemd|tasks|terminal|terminator|testutil|tlsfiles|toggled|toggles|tuning|` +
	`unixpath|uri|wholefile|wire`

var packagePattern = regexp.MustCompile(`(^|[:;] |\()(?:(?:` + packages + `): )+`)

// optionPattern is a field of Options with its flag in brackets: a command has the flag alone.
var optionPattern = regexp.MustCompile(`Options\.[A-Z]\w+(?:(?:, | and )[A-Z]\w+)* \((--[^()]*)\)`)

// optionsPattern is the text before a flag's name that says nothing more than the flag.
var optionsPattern = regexp.MustCompile(`^(?:etcd: )?invalid (?:StatsD )?options: (--)`)

// report prints err, if there is something to say, and returns the exit code.
func (p *process) report(ctx context.Context, err error) int {
	var usage *UsageError
	switch {
	case err == nil || errors.Is(err, ErrDone):
		return 0
	case errors.As(err, &usage) && usage.Help != "":
		p.say("%s", usage.Help)
		return ExitUsage
	case errors.As(err, &usage):
		p.say("%srun %s --help\n", p.message(err), cmp.Or(usage.Command, *p.std.command, p.name))
		return ExitUsage
	case errors.As(context.Cause(ctx), new(SignalError)) && errors.Is(err, context.Canceled):
		return 0 // it was told to end, and did
	}
	p.say("%s", p.message(err))
	var own *CodeError
	if errors.As(err, &own) {
		return own.Code
	}
	return ExitError
}

// message is err on a line that begins with the program's name; the mistakes of a
// document are a line each, below.
func (p *process) message(err error) string {
	var doc mistakes
	if !errors.As(err, &doc) {
		return p.line(err.Error())
	}
	list := doc.Mistakes()
	before, ok := strings.CutSuffix(err.Error(), doc.Error())
	if !ok || len(list) < 2 {
		return p.line(err.Error())
	}
	var b strings.Builder
	b.WriteString(p.line(fmt.Sprintf("%s%d mistakes", before, len(list))))
	for _, m := range list {
		b.WriteString("  " + oneLine(m) + "\n")
	}
	return b.String()
}

// line is a text on one line, without the names of packages, and without that of the program
// or the command a second time.
func (p *process) line(text string) string {
	text = packagePattern.ReplaceAllString(oneLine(text), "$1")
	text = optionPattern.ReplaceAllString(text, "$1")
	text = strings.TrimPrefix(text, p.name+": ")
	if words := strings.Fields(*p.std.command); len(words) > 1 && p.name == "handler" {
		text = strings.TrimPrefix(text, words[1]+": ") // the role's package
	}
	return p.name + ": " + optionsPattern.ReplaceAllString(text, "$1") + "\n"
}

// sayTimeout is how long the last words may take where standard error is a pipe that nobody reads.
const sayTimeout = time.Second

func (p *process) say(format string, args ...any) {
	said := make(chan struct{})
	go func() { // ends with the write, or with the process
		defer close(said)
		_, _ = fmt.Fprintf(p.std.Err, format, args...) // nowhere to report a failure
	}()
	timeout := time.NewTimer(sayTimeout)
	defer timeout.Stop()
	select {
	case <-said:
	case <-timeout.C:
	}
}

// oneLine is a text on one line: joined errors have several.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Join(lines, "; ")
}
