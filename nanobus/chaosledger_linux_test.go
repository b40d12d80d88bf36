package nanobus_test

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// chaosLedger is what a handler process has counted. It is a file mapped into
// memory, by the handler and by the test: what was counted is there whatever
// becomes of the process.
//
// Each request is counted as received before anything is done with it, and as
// answered in its way before the answer is given to the bus. So of a process
// that was killed, no answer can be out that isn't counted.
type chaosLedger struct {
	received  atomic.Uint64 // requests
	answered  atomic.Uint64 // … to be answered with a reply
	failed    atomic.Uint64 // … with the error that the test wants
	expired   atomic.Uint64 // … with CodeExpired
	unsent    atomic.Uint64 // replies whose link had gone
	corrupt   atomic.Uint64 // requests whose checksum is wrong
	cancelled atomic.Uint64 // requests found cancelled before their answer
	linger    atomic.Uint64 // after the end: goroutines and unanswered requests too many
	ended     atomic.Uint64 // 1: drained and closed
}

// settled is how many requests have got an answer of whatever kind.
func (l *chaosLedger) settled() uint64 {
	return l.answered.Load() + l.failed.Load() + l.expired.Load()
}

const chaosLedgerSize = 4096

// openChaosLedger maps the file, which is made if it isn't there. close ends
// the use of the ledger.
func openChaosLedger(path string) (l *chaosLedger, closed func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // the mapping stays
	if err := f.Truncate(chaosLedgerSize); err != nil {
		return nil, nil, err
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, chaosLedgerSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return (*chaosLedger)(unsafe.Pointer(&mem[0])), func() { _ = syscall.Munmap(mem) }, nil
}
