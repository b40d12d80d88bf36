package docs

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/nanobus"
	"nanofront/registry"
)

const guide = "docs/writing-a-handler.md"

// guideBlock is the only block of the guide with that info string.
func guideBlock(t *testing.T, info string) block {
	t.Helper()
	all := blocks(read(t, guide))
	i := slices.IndexFunc(all, func(b block) bool { return b.info == info })
	if i < 0 {
		t.Fatalf("%s has no block %q", guide, info)
	}
	return all[i]
}

// TestGuide_CommandsWork runs every command of the guide, with the table that is
// in it, at other ports.
func TestGuide_CommandsWork(t *testing.T) {
	testutil.Command(t, "curl", "curl")
	testutil.Command(t, "python3", "python3")
	dir, front, admin, bus, etcd := t.TempDir(), freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)
	elsewhere := strings.NewReplacer("localhost:8080", front, "localhost:8081", admin, "127.0.0.1:7401", bus, "127.0.0.1:2379", etcd)
	examples, err := filepath.Abs(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"bin": programs(t), "examples": examples} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "table.yaml"), []byte(elsewhere.Replace(guideBlock(t, "yaml").text)), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"NANOFRONT_HTTP=" + front, "NANOFRONT_ADMIN=" + admin, "NANOFRONT_STATSD=", "PYTHONDONTWRITEBYTECODE=1"}
	says := map[string]string{"python3": "serving", "bin/terminator": "link up"}
	wants := map[string]string{
		"curl -i 'localhost:8080/greet/you?x=1' -d 'some text'": "POST /greet/you?x=1 from 127.0.0.1\n",
		"curl -s localhost:8081/links.json":                     `"greeter-py"`,
		"curl -s localhost:8081/metrics.json":                   `"bus.dropped.malformed"`,
	}
	for _, b := range blocks(read(t, guide)) {
		if b.info != "sh" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
			line = strings.TrimSpace(line)
			command := strings.Fields(elsewhere.Replace(line))
			if text, ok := says[command[0]]; ok {
				path := command[0]
				if found, err := exec.LookPath(path); err == nil && !strings.Contains(path, "/") {
					path = found
				} else {
					path = filepath.Join(dir, path)
				}
				start(t, dir, env, path, command[1:]...).waitFor(t, text)
				continue
			}
			if strings.HasPrefix(line, "bin/nanofront r") {
				continue // TestRegister_JoinsUp registers, and adds a route
			}
			want, ok := wants[line]
			if !ok {
				t.Errorf("%s line %d has the command %q: say in this test how it is run", guide, b.line, line)
				continue
			}
			out, err := output(t, dir, env, "sh", "-c", elsewhere.Replace(line))
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: %v, no %q in the output\n%s", line, err, want, out)
			}
			delete(wants, line)
		}
	}
	for line := range wants {
		t.Errorf("%s doesn't have the command %q any more", guide, line)
	}
}

// TestGuide_BytesWork plays the guide's bytes as a handler, to a real caller.
func TestGuide_BytesWork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan []byte, 2) // requests as they came
	go func() {                   // ends with the listener
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write(vector(t, guideBlock(t, "hex greeting")))
		_, _ = conn.Write(vector(t, guideBlock(t, "hex hello")))
		_, _ = io.ReadFull(conn, make([]byte, 8))
		answers := [][]byte{vector(t, guideBlock(t, "hex response")), vector(t, guideBlock(t, "hex error"))}
		for len(answers) > 0 {
			size := make([]byte, 8)
			if _, err := io.ReadFull(conn, size); err != nil {
				return
			}
			message := make([]byte, int(size[5])<<16|int(size[6])<<8|int(size[7]))
			if _, err := io.ReadFull(conn, message); err != nil {
				return
			}
			// A ping may have come in the same message.
			for len(message) > 16 && len(answers) > 0 {
				n := binary.BigEndian.Uint32(message)
				f := message[:n]
				message = message[n:]
				if f[4] != 2 {
					continue
				}
				asked <- slices.Concat(binary.BigEndian.AppendUint64(nil, uint64(n)), f)
				copy(answers[0][8+8:], f[8:16]) // the id as it came
				_, _ = conn.Write(answers[0])
				answers = answers[1:]
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	}()

	b, err := nanobus.New(nanobus.Options{Service: "asker", Instance: "asker-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.SetInstances([]nanobus.Instance{{Service: "greeter", ID: "greeter-1", Address: "tcp://" + l.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the caller takes the guide's hello", func() bool { return b.Service("greeter").Live() > 0 })
	// The request of the guide, as the caller makes it.
	want := vector(t, guideBlock(t, "hex request"))
	var req httpmsg.Request
	if err := req.Decode(want[8+16+4:]); err != nil {
		t.Fatal(err)
	}
	c := nanobus.NewCall()
	if err := b.Service("greeter").Go(c, &req, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	var resp httpmsg.Response
	if err := resp.Decode(c.Payload); c.Err != nil || err != nil || resp.Status != 200 || string(resp.Body) != "Hello me!\n" ||
		string(resp.Header.Get("content-type")) != "text/plain" {
		t.Errorf("the guide's response: %v, %v, %d %q", c.Err, err, resp.Status, resp.Body)
	}
	c.Release()
	got := <-asked
	copy(got[8+8:8+16], want[8+8:]) // the id is the caller's own
	if !bytes.Equal(got, want) {
		t.Errorf("the caller's request is\n%x, the guide says\n%x", got, want)
	}
	c = nanobus.NewCall()
	if err := b.Service("greeter").Go(c, &req, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if remote, ok := c.Err.(*nanobus.RemoteError); !ok || remote.Code != nanobus.CodeInternal { //nolint:errorlint // never wrapped
		t.Errorf("the guide's error response is taken for %v", c.Err)
	}
	c.Release()
}

// TestGuide_GoBuilds: what the guide shows of Go are programs.
func TestGuide_GoBuilds(t *testing.T) {
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	built := 0
	for _, b := range blocks(read(t, guide)) {
		if b.info != "go" {
			continue
		}
		built++
		dir := t.TempDir()
		source := filepath.Join(dir, "main.go")
		if err := os.WriteFile(source, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(module, "internal/docs/guide/main.go"): source}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "overlay.json")
		if err := os.WriteFile(file, overlay, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := output(t, root, []string{"CGO_ENABLED=0"}, "go", "build", "-overlay", file, "-o", filepath.Join(dir, "guide"), "./internal/docs/guide")
		if err != nil {
			t.Errorf("line %d: %v\n%s", b.line, err, out)
		}
		if out, err := output(t, dir, nil, "gofmt", "-l", source); err != nil || out != "" {
			t.Errorf("line %d: gofmt: %v %s", b.line, err, out)
		}
	}
	if built < 2 {
		t.Errorf("%s has %d programs in Go", guide, built)
	}
}

// TestExamples_TablesAreValid: the tables beside the handlers in examples/.
func TestExamples_TablesAreValid(t *testing.T) {
	tables, err := filepath.Glob(filepath.Join(root, "examples/*/static.yaml"))
	if err != nil || len(tables) < 3 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	for _, name := range tables {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		table, err := registry.ParseTable(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		in := table.Instances[0]
		readme := read(t, filepath.Join("examples", filepath.Base(filepath.Dir(name)), "README.md"))
		run, byFlags := in.Address+" "+in.Service+" "+in.ID+"\n", "--bus "+in.Address+" --instance "+in.ID+"\n"
		if !strings.Contains(readme, run) && !strings.Contains(readme, byFlags) {
			t.Errorf("%s: the README beside it doesn't start %q", name, run)
		}
	}
}
