package chaos

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"nanofront/bench/system"
)

// A static Go program asks the kernel for the time without libc, where libfaketime would change it,
// and no namespace has a wall clock of its own. So programs whose clocks jump are built with a
// time.Now that adds what a file says, by go build -overlay: there is nothing of it in those that
// users have, and the libraries' clocks jump too.

//go:embed clockfile.txt
var clockFile []byte

const (
	clockEnv = "CHAOS_CLOCK_FILE" // as in clockfile.txt
	// clockJump is how far a clock jumps, and clockPause how soon the next one does.
	clockJump  = time.Hour
	clockPause = 150 * time.Millisecond
	// nowCall is what the overlay replaces in the standard library's time.Now, once.
	nowCall = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()"
)

// wrongClocks starts handlers and terminator anew, as programs whose clocks can be set.
func wrongClocks(ctx context.Context, b *bed) error {
	if b.jumping == "" {
		dir, err := buildJumping(ctx, b.dir)
		if err != nil {
			return err
		}
		b.jumping = dir
	}
	for _, name := range clocked() {
		if err := setClock(b.dir, name, 0); err != nil {
			return err
		}
		p := b.Process(name)
		p.Path, p.Env = filepath.Join(b.jumping, filepath.Base(p.Path)), []string{clockEnv + "=" + clockOf(b.dir, name)}
		if err := p.Restart(); err != nil {
			return err
		}
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	if err := setClock(b.dir, terminator, clockJump); err != nil {
		return err
	}
	if err := b.WaitFor(ctx, "the front's clock to jump", b.dated(clockJump)); err != nil {
		return err
	}
	return restoreClocks(ctx, b)
}

// dated is nil if the front's responses have a Date that is wrong by so much.
func (b *bed) dated(by time.Duration) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+"/read", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // only its head is looked at
		at, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			return err
		}
		if off := time.Until(at) - by; off.Abs() > time.Minute {
			return fmt.Errorf("its Date, %v, is not %v from now", at, by)
		}
		return nil
	}
}

// rightClocks goes back to the programs as users have them.
func rightClocks(ctx context.Context, b *bed) error {
	if b.jumping == "" {
		return nil
	}
	for _, name := range clocked() {
		p := b.Process(name)
		p.Path, p.Env = filepath.Join(b.bin, filepath.Base(p.Path)), nil
		if err := p.Restart(); err != nil {
			return err
		}
	}
	return b.settle(ctx)
}

func clocked() []string { return append(allHandlers(), terminator) }

// jumpClocks has the clocks of all jump in turn, to an hour late, an hour early, and back.
func jumpClocks(ctx context.Context, b *bed) error {
	return b.every(ctx, clockPause, func(i int) error {
		names := clocked()
		wrong := []time.Duration{clockJump, -clockJump, 0}
		return setClock(b.dir, names[i%len(names)], wrong[i%len(wrong)])
	})
}

// restoreClocks sets them right.
func restoreClocks(_ context.Context, b *bed) error {
	for _, name := range clocked() {
		if err := setClock(b.dir, name, 0); err != nil {
			return err
		}
	}
	return nil
}

func clockOf(dir, name string) string { return filepath.Join(dir, name+".clock") }

// setClock makes a process' clock wrong by so much.
func setClock(dir, name string, by time.Duration) error {
	f, err := os.OpenFile(clockOf(dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(by/time.Second))), 0)
	return errors.Join(err, f.Close())
}

// longest is what no duration of a run can be.
const longest = 10 * time.Minute

// odd are durations in what the front has measured that only a clock can have made.
func odd(ctx context.Context, b *bed) ([]string, error) {
	timers, err := system.Durations(ctx, b.admin)
	if err != nil {
		return nil, err
	}
	var list []string
	for name, d := range timers {
		if d.Least < 0 || d.Most > longest {
			list = append(list, fmt.Sprintf("the front's %s is from %v to %v", name, d.Least, d.Most))
		}
	}
	slices.Sort(list)
	return list, nil
}

// buildJumping builds handler and terminator so, in a folder that it returns. It takes the source.
func buildJumping(ctx context.Context, dir string) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", fmt.Errorf("%w: this build doesn't say of which module it is", errSkip)
	}
	module := info.Main.Path
	if got, err := goCommand(ctx, "list", "-m"); err != nil || got != module {
		return "", fmt.Errorf("%w: programs whose clock jumps are built for it: it takes Go, and a working directory within the source", errSkip)
	}
	root, err := goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "jumping")
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	overlay, err := writeOverlay(to, filepath.Join(root, "src", "time"))
	if err != nil {
		return "", err
	}
	_, err = goCommand(ctx, "build", "-trimpath", "-overlay", overlay, "-o", to+string(filepath.Separator), module+"/cmd/terminator", module+"/cmd/handler")
	return to, err
}

// writeOverlay writes what is to be read in place of the files of package time.
func writeOverlay(dir, src string) (string, error) {
	source, err := os.ReadFile(filepath.Join(src, "time.go"))
	if err != nil {
		return "", fmt.Errorf("%w: the source of Go's package time: %w", errSkip, err)
	}
	if strings.Count(string(source), nowCall) != 1 {
		return "", fmt.Errorf("%w: this Go's time.Now isn't known: bench/chaos/clock.go has to learn it", errSkip)
	}
	changed := strings.Replace(string(source), nowCall, strings.Replace(nowCall, "runtimeNow", "chaosNow", 1), 1)
	files := map[string]string{}
	for name, content := range map[string][]byte{"time.go": []byte(changed), "chaos.go": clockFile} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return "", err
		}
		files[filepath.Join(src, name)] = file
	}
	raw, err := json.Marshal(map[string]any{"Replace": files})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, raw, 0o600)
}

// goCommand runs go, without cgo, and returns what it printed.
func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("chaos: go %s: %w: %s", args[0], err, strings.TrimSpace(failed.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
