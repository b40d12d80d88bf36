package nanobus_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"nanofront/nanobus"
)

// What tells the test's binary that it is to be a handler of the chaos test.
const (
	chaosListenEnv = "NANOFRONT_CHAOS_LISTEN"
	chaosNameEnv   = "NANOFRONT_CHAOS_NAME"
	chaosLedgerEnv = "NANOFRONT_CHAOS_LEDGER"
)

const (
	chaosWindow  = 1024
	chaosService = "echo"
	chaosFailure = "the test wants it so"

	// chaosDrain is how long a handler may take to drain; it is done within
	// milliseconds, unless requests or acknowledgements have been lost.
	chaosDrain = 20 * time.Second
)

// init turns a test binary that was started as a handler into one: before the
// tests' own flags and TestMain.
func init() {
	if addr := os.Getenv(chaosListenEnv); addr != "" {
		if err := runChaosHandler(addr, os.Getenv(chaosNameEnv), os.Getenv(chaosLedgerEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// runChaosHandler echoes requests until SIGTERM, and drains then. Most are
// answered at once, some later and out of order, some with an error.
func runChaosHandler(addr, name, ledgerPath string) error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	ledger, _, err := openChaosLedger(ledgerPath)
	if err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	later := make(chan *nanobus.Request, chaosWindow) // never full: the window bounds it
	done := make(chan struct{})
	const workers = 16
	for range workers {
		go func() { // ends with later
			for r := range later {
				n := chaosNumber(r.Payload())
				time.Sleep(time.Duration(n%5) * time.Millisecond) // the work
				chaosAnswer(ledger, r)
			}
			done <- struct{}{}
		}()
	}
	bus, err := nanobus.New(nanobus.Options{
		Service: chaosService, Instance: name, Window: chaosWindow,
		Serve: func(batch []*nanobus.Request) {
			ledger.received.Add(uint64(len(batch)))
			for _, r := range batch {
				if chaosNumber(r.Payload())%32 == 1 {
					later <- r
				} else {
					chaosAnswer(ledger, r)
				}
			}
		},
	})
	if err != nil {
		return err
	}
	addr, err = bus.Listen(addr)
	if err != nil {
		return err
	}
	fmt.Println(addr)
	<-term
	ctx, cancel := context.WithTimeout(context.Background(), chaosDrain)
	defer cancel()
	if err := bus.Drain(ctx); err != nil {
		return err
	}
	served := bus.Served()
	if err := bus.Close(); err != nil {
		return err
	}
	close(later)
	for range workers {
		<-done
	}
	// What the runtime still winds down after Close gets a moment.
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	ledger.linger.Store(uint64(max(runtime.NumGoroutine()-before, 0) + served))
	ledger.ended.Store(1)
	return nil
}

// chaosAnswer answers a request as its number says.
func chaosAnswer(ledger *chaosLedger, r *nanobus.Request) {
	if r.Cancelled() {
		ledger.cancelled.Add(1)
	}
	switch {
	case !chaosIntact(r.Payload()):
		ledger.corrupt.Add(1)
		ledger.failed.Add(1)
		r.ReplyError(nanobus.CodeMalformed, "checksum")
	case r.Remaining() <= 0:
		ledger.expired.Add(1)
		r.ReplyError(nanobus.CodeExpired, "")
	case chaosFails(chaosNumber(r.Payload())):
		ledger.failed.Add(1)
		r.ReplyError(nanobus.CodeInternal, chaosFailure)
	default:
		ledger.answered.Add(1)
		if err := r.Reply(nanobus.Bytes(r.Payload())); err != nil {
			ledger.unsent.Add(1)
		}
	}
}

// A request's payload: number (8), nonce of the caller (8), filling, and a
// checksum of all before it (4).
const chaosFixed = 8 + 8 + 4

var chaosTable = crc32.MakeTable(crc32.Castagnoli)

// chaosPayload makes the payload of request n in buf. Few are large; no two
// are the same.
func chaosPayload(buf []byte, n, nonce uint64) []byte {
	filling := n * 37 % 500
	if n%1024 == 17 {
		filling = 20_000
	}
	buf = binary.BigEndian.AppendUint64(buf[:0], n)
	buf = binary.BigEndian.AppendUint64(buf, nonce)
	for x := n*0x9e3779b97f4a7c15 | 1; filling > 0; filling-- {
		buf = append(buf, byte(x>>32))
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return binary.BigEndian.AppendUint32(buf, crc32.Checksum(buf, chaosTable))
}

func chaosNumber(payload []byte) uint64 {
	if len(payload) < chaosFixed {
		return 0
	}
	return binary.BigEndian.Uint64(payload)
}

// chaosIntact reports whether the checksum is right.
func chaosIntact(payload []byte) bool {
	if len(payload) < chaosFixed {
		return false
	}
	end := len(payload) - 4
	return crc32.Checksum(payload[:end], chaosTable) == binary.BigEndian.Uint32(payload[end:])
}

// chaosFails says which requests a handler answers with an error.
func chaosFails(n uint64) bool { return n%128 == 7 }
