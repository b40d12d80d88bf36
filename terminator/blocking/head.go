package blocking

import (
	"bytes"

	"nanofront/terminator/conns"
	"nanofront/terminator/http1"
)

// readHead reads the head of a request and leaves what follows it behind in c.in. It and c.at are
// valid until more is read.
func (c *conn) readHead() (head []byte, err error) {
	scanned, phase, since := 0, conns.Idle, c.d.Table.Now()
	if len(c.in) > 0 && c.firstByte == 0 {
		c.firstByte = c.d.Front.Now()
	}
	for {
		n, done, fault := c.scanner.ScanHead(c.in[scanned:], &c.at)
		scanned += n
		if fault != http1.OK {
			return nil, faultError(fault)
		}
		if done {
			c.behind = len(c.in) - scanned
			return bytes.TrimPrefix(c.in[:scanned], []byte("\r\n")), nil
		}
		if len(c.in) > 0 && phase == conns.Idle {
			phase, since = conns.Head, c.d.Table.Now()
		}
		if err := c.fill(phase, since); err != nil {
			return nil, err
		}
	}
}
