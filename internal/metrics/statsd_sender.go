package metrics

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

const (
	// maxPacket keeps a packet with its IP and UDP headers within an Ethernet
	// frame, with room for a tunnel's header.
	maxPacket = 1432
	// Every so many packets the sender pauses, so that the server can empty its
	// socket buffer.
	packetsAtOnce = 16
	packetPause   = time.Millisecond

	resolveTimeout = 2 * time.Second
	writeTimeout   = 500 * time.Millisecond
	// A server's name is looked up anew after this time.
	resolveAgain = time.Minute
	complainEach = time.Minute
)

// statsdSender gathers lines to packets and sends them. It belongs to the
// goroutine of one Reporter. It implements the client library's Sender.
type statsdSender struct {
	addr   string
	fixed  bool // addr is an IP address: there is no name to look up again
	log    zerolog.Logger
	said   time.Time // when the last complaint was logged
	sent   *Counter
	failed *Counter

	// dial connects; a test has its own.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	conn    net.Conn
	dialed  time.Time
	lastErr error
	buf     []byte
	lines   int // in buf
	packets int // in this interval
}

func newStatsdSender(set *Set, addr string, log zerolog.Logger) *statsdSender {
	_, err := netip.ParseAddrPort(addr)
	return &statsdSender{
		addr:   addr,
		fixed:  err == nil,
		log:    log,
		sent:   set.Counter(StatsdSent),
		failed: set.Counter(StatsdFailed),
		dial:   new(net.Dialer).DialContext,
		buf:    make([]byte, 0, maxPacket),
	}
}

// begin makes ready for an interval: it connects if need be. That may take
// until resolveTimeout or ctx ends it.
func (s *statsdSender) begin(ctx context.Context) {
	s.packets = 0
	if s.conn != nil && (s.fixed || time.Since(s.dialed) < resolveAgain) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	conn, err := s.dial(ctx, "udp", s.addr)
	if err != nil {
		s.lastErr = err
		return // with the old connection, if there is one
	}
	if s.conn != nil {
		_ = s.conn.Close() // a UDP socket has nothing left to say
	}
	s.conn, s.dialed = conn, time.Now()
}

// end sends what is gathered.
func (s *statsdSender) end() { s.flush() }

// Send takes one line, without its end; the client library calls it. It keeps
// nothing of data and never fails: losses are counted where they are noticed.
func (s *statsdSender) Send(data []byte) (int, error) {
	if len(s.buf) > 0 && len(s.buf)+1+len(data) > maxPacket {
		s.flush()
	}
	if len(s.buf) > 0 {
		s.buf = append(s.buf, '\n')
	}
	s.buf = append(s.buf, data...)
	s.lines++
	return len(data), nil
}

// together makes the next two lines go in one packet, in their order; packets
// may overtake each other.
func (s *statsdSender) together() {
	const twoLines = 2 * 256
	if len(s.buf)+twoLines > maxPacket {
		s.flush()
	}
}

func (s *statsdSender) flush() {
	if s.lines == 0 {
		return
	}
	err := s.write()
	if err == nil {
		s.sent.Add(uint64(s.lines)) //nolint:gosec // a count
	} else {
		s.failed.Add(uint64(s.lines)) //nolint:gosec // a count
		s.lastErr = err
		if now := time.Now(); s.said.IsZero() || now.Sub(s.said) >= complainEach {
			s.said = now
			s.log.Warn().Str(logging.Addr, s.addr).Err(err).Uint64(logging.Count, s.failed.Value()).
				Msg("StatsD lines are lost (count: since the start)")
		}
	}
	s.buf, s.lines = s.buf[:0], 0
}

func (s *statsdSender) write() error {
	if s.conn == nil {
		return s.lastErr
	}
	if s.packets++; s.packets%packetsAtOnce == 0 {
		time.Sleep(packetPause)
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(s.buf)
	return err
}

// Close does nothing: the Reporter closes its sender itself.
func (s *statsdSender) Close() error { return nil }

func (s *statsdSender) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
