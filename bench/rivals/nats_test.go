package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"nanofront/internal/testutil"
)

// natsURL is where the server of prepareNATS listens.
var natsURL string

// prepareNATS starts a nats-server on a free port, until b ends.
func prepareNATS(b *testing.B) {
	path := testutil.Command(b, "nats-server", "nats-server")
	dir := b.TempDir()
	config := filepath.Join(dir, "nats.conf")
	// As it comes, but for the ports: it writes those that it got to a file.
	text := fmt.Sprintf("host: 127.0.0.1\nport: -1\nports_file_dir: %q\nlog_file: %q\n", dir, filepath.Join(dir, "log"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, "-c", config)
	cmd.SysProcAttr = attr()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it keeps nothing
		_ = cmd.Wait()         // says that it was killed
	})
	var ports struct{ NATS []string }
	testutil.Eventually(b, "nats-server says where it listens", func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "*.ports")) // the pattern is sound
		if len(found) == 0 {
			return false
		}
		text, err := os.ReadFile(found[0])
		return err == nil && json.Unmarshal(text, &ports) == nil && len(ports.NATS) > 0
	})
	natsURL = ports.NATS[0]
}

func connectNATS(b *testing.B) *nats.Conn {
	closed := make(chan struct{})
	c, err := nats.Connect(natsURL, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		<-closed
	})
	return c
}

// startNATS is nats.go's request/reply through a server of its own process:
// the caller's and the responder's connection, replies by the shared inbox,
// which is the default and the fast way.
func startNATS(b *testing.B, _, _ int) func() exchange {
	responder, caller := connectNATS(b), connectNATS(b)
	if _, err := responder.Subscribe("echo", func(m *nats.Msg) {
		_ = m.Respond(m.Data) // the caller's timeout tells
	}); err != nil {
		b.Fatal(err)
	}
	if err := responder.Flush(); err != nil {
		b.Fatal(err)
	}
	return func() exchange {
		return func(body []byte) ([]byte, error) {
			m, err := caller.Request("echo", body, 10*time.Second)
			if err != nil {
				return nil, err
			}
			return m.Data, nil
		}
	}
}
