package metrics

import (
	"cmp"
	"context"
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

	writeTimeout = 500 * time.Millisecond
	complainEach = time.Minute
)

// statsdSender gathers lines to packets and sends them. It belongs to the
// goroutine of one Reporter. It implements the client library's Sender.
//
// That a packet was refused is learned later, if at all: when the ICMP message is
// there, the next call on the socket fails. So lines count as sent an interval
// later, when none has come.
type statsdSender struct {
	target   *statsdTarget
	optional bool        // StatsdOptions.Optional
	may      func() bool // StatsdOptions.May
	ending   bool        // this is the last interval
	log      zerolog.Logger
	said     time.Time // when the last complaint was logged
	sent     *Counter
	failed   *Counter

	lastErr error
	buf     []byte
	lines   int // in buf
	unsure  int // written, and not refused yet
	packets int // in this interval
}

func newStatsdSender(set *Set, o StatsdOptions) *statsdSender {
	return &statsdSender{
		target:   newStatsdTarget(o.Addr),
		optional: o.Optional,
		may:      o.May,
		log:      o.Logger,
		sent:     set.Counter(StatsdSent),
		failed:   set.Counter(StatsdFailed),
		buf:      make([]byte, 0, maxPacket),
	}
}

// begin makes ready for an interval: it connects if need be. That may take
// until resolveTimeout or ctx ends it.
func (s *statsdSender) begin(ctx context.Context) {
	s.packets = 0
	s.settle()
	if err := s.target.begin(ctx); err != nil {
		s.lastErr = err
	}
}

// settle finds out what has become of what was written.
func (s *statsdSender) settle() {
	if err := s.target.refusal(); err != nil {
		s.refused(err)
		return
	}
	s.sent.Add(uint64(s.unsure))
	s.unsure = 0
}

// refused counts what was written as lost, and turns to the next address of the
// server, if it has several: a name may stand for ::1 and 127.0.0.1, of
// which the server listens on one.
func (s *statsdSender) refused(err error) {
	lost := s.unsure
	s.unsure = 0
	s.target.next()
	if lost > 0 {
		s.lose(lost, err)
	}
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
	if s.may == nil || s.may() {
		if err := s.write(); err != nil {
			s.lose(s.lines, err)
		} else {
			s.unsure += s.lines
		}
	}
	s.buf, s.lines = s.buf[:0], 0
}

// lose counts lines that are lost, and says so at most once a minute; where nobody has
// asked for a server, once.
func (s *statsdSender) lose(lines int, err error) {
	s.failed.Add(uint64(lines))
	s.lastErr = err
	if s.optional {
		if s.said.IsZero() && !s.ending { // a process that ends has other things to say
			s.said = time.Now()
			s.log.Info().Str(logging.Addr, s.target.addr).Msg("no StatsD server answers; --statsd= turns StatsD off, --statsd ADDR names another")
		}
		return
	}
	if now := time.Now(); s.said.IsZero() || now.Sub(s.said) >= complainEach {
		s.said = now
		s.log.Warn().Str(logging.Addr, s.target.addr).Err(err).Uint64(logging.Count, s.failed.Value()).
			Msg("StatsD lines are lost (count: since the start)")
	}
}

// write sends the packet. A refusal of what was sent before is an error of this call, whose packet
// then hasn't left: so it is tried once more, at each address that there is.
func (s *statsdSender) write() error {
	if s.packets++; s.packets%packetsAtOnce == 0 {
		time.Sleep(packetPause)
	}
	for tries := 0; ; tries++ {
		err := s.target.refusal()
		if err == nil {
			if err = s.target.write(s.buf); err == nil {
				return nil
			}
		}
		if s.target.conn == nil {
			return cmp.Or(s.lastErr, err)
		}
		s.refused(err)
		if tries >= len(s.target.addrs) {
			return err
		}
	}
}

// Close does nothing: the Reporter closes its sender itself.
func (s *statsdSender) Close() error { return nil }

func (s *statsdSender) close() {
	s.settle()
	s.target.close()
}
