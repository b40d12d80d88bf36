package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
)

// The children are this test binary again, with roleVariable set to what it is
// to do.
const roleVariable = "SUPERVISOR_TEST_ROLE"

// patience is far longer than anything here takes.
const patience = time.Minute

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// play is the main function of a child.
func play(role string, args []string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Printf("%s has pid %d\n", strings.Join(args, " "), os.Getpid())
	switch role {
	case "obedient": // ends when told, and says so
		<-term
		fmt.Println("ended by SIGTERM")
		return 0
	case "slow": // takes its time to end: as long as the file is there
		<-term
		fmt.Println("ending")
		for exists(args[1]) {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("ended")
		return 0
	case "stubborn": // doesn't end
		for range term {
			fmt.Println("no")
		}
	case "parent": // starts one that doesn't end, and doesn't either
		cmd := exec.Command(os.Args[0], "grandchild")
		cmd.Env = append(os.Environ(), roleVariable+"=stubborn")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		_ = cmd.Wait()
	case "quick": // dies at once, in the middle of a line
		fmt.Fprint(os.Stderr, "out of luck")
		return 3
	case "long": // says a line of 200,000 bytes, and one without an end
		fmt.Println(strings.Repeat("x", 200_000))
		fmt.Print("carriage return\r\nno end")
		<-term
	}
	return 0
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// output collects what a supervisor writes.
type output struct {
	mu    sync.Mutex
	lines []string
	part  string
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.part += string(b)
	for {
		line, rest, ok := strings.Cut(o.part, "\n")
		if !ok {
			return len(b), nil
		}
		o.lines, o.part = append(o.lines, line), rest
	}
}

// said returns what a child, or the supervisor ("nanofront"), has said.
func (o *output) said(name string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var said []string
	for _, l := range o.lines {
		who, what, ok := strings.Cut(l, " │ ")
		if ok && strings.TrimRight(who, " ") == name {
			said = append(said, what)
		}
	}
	return said
}

func (o *output) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// count returns how many lines of a child contain the text.
func (o *output) count(name, text string) int {
	n := 0
	for _, l := range o.said(name) {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// start returns a supervisor that is stopped at the end of the test.
func start(t *testing.T) (*Supervisor, *output) {
	t.Helper()
	o := &output{}
	s := New(o, false)
	t.Cleanup(func() {
		stop(t, s)
		if t.Failed() {
			t.Logf("the output:\n%s", o.all())
		}
	})
	return s, o
}

func stop(t *testing.T, s *Supervisor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.Stop(ctx)
	if ctx.Err() != nil {
		t.Errorf("stopping took %v", patience)
	}
}

// run starts a child and waits until it has said its first line.
func run(t *testing.T, s *Supervisor, o *output, c Child, role string, args ...string) {
	t.Helper()
	t.Setenv(roleVariable, role)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // of the race detector, at each child's end
	c.Path, c.Args = os.Args[0], append([]string{c.Name}, args...)
	if c.Grace == 0 {
		c.Grace = patience
	}
	if err := s.Start(c); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, c.Name+" is up", func() bool { return o.count(c.Name, "has pid") > 0 })
}

// alive reports whether there is a process with this id, zombies apart.
func alive(pid int) bool {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		if _, err := os.Stat("/proc/self/status"); err != nil { // no such thing on this system
			return syscall.Kill(pid, 0) == nil
		}
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if state, ok := strings.CutPrefix(lines.Text(), "State:"); ok {
			return !strings.Contains(state, "Z")
		}
	}
	return false
}

// pidOf is the last process id that a child has given.
func pidOf(o *output, name, of string) int {
	pid := 0
	for _, l := range o.said(name) {
		if text, ok := strings.CutPrefix(l, of+" has pid "); ok {
			pid, _ = strconv.Atoi(text)
		}
	}
	return pid
}

func TestSupervisor_StartsAndStops(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a"}, "obedient")
	run(t, s, o, Child{Name: "longer-name"}, "obedient")
	pid := s.PID("a")
	if pid == 0 || pid != pidOf(o, "a", "a") || s.PID("nobody") != 0 {
		t.Errorf("PID: %d, it says %d; of nobody %d", pid, pidOf(o, "a", "a"), s.PID("nobody"))
	}
	stop(t, s)
	for _, name := range []string{"a", "longer-name"} {
		if o.count(name, "ended by SIGTERM") != 1 {
			t.Errorf("%s was not told to end:\n%s", name, o.all())
		}
	}
	if alive(pid) || s.PID("a") != 0 {
		t.Errorf("process %d is there after Stop; PID %d", pid, s.PID("a"))
	}
	if n := len(o.said("nanofront")); n != 0 {
		t.Errorf("%d lines about a quiet life:\n%s", n, o.all())
	}
	if err := s.Start(Child{Name: "late", Path: os.Args[0]}); err == nil {
		t.Error("started a child after Stop")
	}
	stop(t, s) // once more does no harm
}

func TestSupervisor_CannotStart(t *testing.T) {
	s, o := start(t)
	err := s.Start(Child{Name: "ghost", Path: filepath.Join(t.TempDir(), "missing")})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "ghost") {
		t.Errorf("got %v: want the name and that there is no such file", err)
	}
	run(t, s, o, Child{Name: "a"}, "obedient") // others go on
}

func TestSupervisor_StartsAgain(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a"}, "obedient")
	first := s.PID("a")
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "another process", func() bool { p := s.PID("a"); return p != 0 && p != first })
	testutil.Eventually(t, "its line", func() bool { return o.count("a", "has pid") == 2 })
	if o.count("nanofront", "a ended (signal 9, killed); starting it again in 200ms") != 1 {
		t.Errorf("it isn't said:\n%s", o.all())
	}
}

func TestSupervisor_GivesUp(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a"}, "quick")
	select {
	case err := <-s.Failed():
		if !errors.Is(err, ErrGivenUp) || !strings.Contains(err.Error(), "a does not stay up: exit code 3") {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Fatalf("not given up:\n%s", o.all())
	}
	s.Flush()
	if n := o.count("a", "has pid"); n != firstTries {
		t.Errorf("started %d times: want %d", n, firstTries)
	}
	// Its last words, though the line had no end.
	if n := o.count("a", "out of luck"); n != firstTries {
		t.Errorf("said %d times why: want %d\n%s", n, firstTries, o.all())
	}
	for _, text := range []string{"in 200ms", "in 400ms"} {
		if o.count("nanofront", "starting it again "+text) != 1 {
			t.Errorf("no backoff %q:\n%s", text, o.all())
		}
	}
}

// Whoever doesn't listen to Failed can still stop.
func TestSupervisor_NobodyListens(t *testing.T) {
	s, _ := start(t)
	n := cap(s.failed) + 2
	t.Setenv(roleVariable, "quick")
	for i := range n {
		if err := s.Start(Child{Name: fmt.Sprint(i), Path: os.Args[0], Args: []string{"x"}}); err != nil {
			t.Fatal(err)
		}
	}
	testutil.Eventually(t, "all given up that can be told", func() bool { return len(s.failed) == cap(s.failed) })
	stop(t, s)
}

// A child that has been up is never given up.
func TestSupervisor_KeepsTryingWhatWasUp(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a"}, "obedient")
	began := time.Now()
	testutil.Eventually(t, "it counts as up", func() bool { return time.Since(began) > upAfter+50*time.Millisecond })
	for i := range firstTries {
		pid := s.PID("a")
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "it is back", func() bool {
			return o.count("a", "has pid") == i+2 && s.PID("a") != pid && s.PID("a") != 0
		})
	}
	select {
	case err := <-s.Failed():
		t.Errorf("given up: %v", err)
	default:
	}
}

func TestSupervisor_StopsInOrder(t *testing.T) {
	s, o := start(t)
	hold := filepath.Join(t.TempDir(), "hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, s, o, Child{Name: "base", Stage: -1}, "obedient")
	run(t, s, o, Child{Name: "middle", Stage: 1}, "obedient")
	run(t, s, o, Child{Name: "front-1", Stage: 7}, "slow", hold)
	run(t, s, o, Child{Name: "front-2", Stage: 7}, "slow", hold)
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop(t, s)
	}()
	testutil.Eventually(t, "both of the highest stage are ending", func() bool {
		return o.count("front-1", "ending") == 1 && o.count("front-2", "ending") == 1
	})
	if s.PID("middle") == 0 || s.PID("base") == 0 || o.count("middle", "ended") != 0 {
		t.Errorf("a lower stage was told before the higher one had ended:\n%s", o.all())
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	<-done
	var order []string
	o.mu.Lock()
	for _, l := range o.lines {
		if who, _, _ := strings.Cut(l, " "); strings.Contains(l, "│ ended") && !strings.HasPrefix(who, "front") {
			order = append(order, who)
		} else if strings.Contains(l, "│ ended") {
			order = append(order, "front")
		}
	}
	o.mu.Unlock()
	if want := []string{"front", "front", "middle", "base"}; !slices.Equal(order, want) {
		t.Errorf("ended in the order %v, want %v", order, want)
	}
}

func TestSupervisor_KillsAfterGrace(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a", Grace: 50 * time.Millisecond}, "stubborn")
	pid := s.PID("a")
	stop(t, s)
	if alive(pid) {
		t.Errorf("process %d is still there", pid)
	}
	if o.count("nanofront", "a did not end in time; killing it") != 1 {
		t.Errorf("it isn't said:\n%s", o.all())
	}
}

func TestSupervisor_ContextBoundsStop(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a", Grace: time.Hour}, "stubborn")
	pid := s.PID("a")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Stop(ctx)
	}()
	testutil.Eventually(t, "it was told", func() bool { return o.count("a", "no") == 1 })
	cancel()
	<-done
	if alive(pid) {
		t.Errorf("process %d is still there", pid)
	}
}

// What a child has started itself goes with it.
func TestSupervisor_LeavesNothingBehind(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a", Grace: 50 * time.Millisecond}, "parent")
	testutil.Eventually(t, "the grandchild is up", func() bool { return pidOf(o, "a", "grandchild") != 0 })
	pid := pidOf(o, "a", "grandchild")
	stop(t, s)
	testutil.Eventually(t, "the grandchild has gone", func() bool { return !alive(pid) })
}

// Stop while children die and are started again: none may slip through.
func TestSupervisor_StopDuringRestart(t *testing.T) {
	for i := range 20 {
		o := &output{}
		s := New(o, false)
		run(t, s, o, Child{Name: "a"}, "obedient")
		first := s.PID("a")
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// From just before the restart to just after.
		wait := minBackoff - 10*time.Millisecond + time.Duration(i)*time.Millisecond
		testutil.Eventually(t, "it died", func() bool { return o.count("nanofront", "starting it again") == 1 })
		<-time.After(wait)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Stop(ctx)
		}()
		select {
		case <-done:
		case <-time.After(patience / 2):
			t.Fatalf("Stop hangs (wait %v):\n%s", wait, o.all())
		}
		cancel()
		if pid := pidOf(o, "a", "a"); alive(pid) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func TestSupervisor_LongLines(t *testing.T) {
	s, o := start(t)
	run(t, s, o, Child{Name: "a"}, "long")
	testutil.Eventually(t, "all of it", func() bool { return o.count("a", "carriage return") == 1 })
	stop(t, s)
	xs := 0
	for _, l := range o.said("a") {
		if len(l) > 2*maxLine {
			t.Errorf("a line of %d bytes", len(l))
		}
		if strings.HasPrefix(l, "x") {
			xs += len(l)
		}
	}
	if xs != 200_000 {
		t.Errorf("%d of 200,000 bytes came through", xs)
	}
	said := o.said("a")
	if got := said[len(said)-2:]; !slices.Equal(got, []string{"carriage return", "no end"}) {
		t.Errorf("the last lines are %q", got)
	}
}
