package embedded

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"nanofront/internal/logging"
)

// zapLogger is a zap logger that writes warnings and worse into a zerolog
// logger. etcd's info lines describe etcd, not the system that people run.
// Nothing is written once quiet is set: etcd reports each of its listeners
// that is closed on purpose as an error. What etcd says before it ends the
// process goes to last alone. Of each warning limit passes some: a busy disk has etcd complain of
// every request.
func zapLogger(log zerolog.Logger, quiet *atomic.Bool, last *lastWords, limit *logging.Limiter) *zap.Logger {
	core := zapCore{log: log, quiet: quiet, limit: limit}
	return zap.New(core, zap.WithFatalHook(last), zap.WithPanicHook(last))
}

// idle are warnings about what was decided here, and for good reasons: gRPC
// and HTTP share the port because the HTTP side only serves health checks,
// and simple tokens are what etcd uses unless a key pair is set up for it. The
// last two come and go in the first seconds of a new data directory, until
// raft's first term is on record; only etcd's downgrade tool reads what they
// are about.
var idle = map[string]bool{
	"Running http and grpc server on single port. This is not recommended for production.": true,
	"simple token is not cryptographically signed":                                         true,
	"Failed to detect schema version":                                                      true,
	"failed to update storage version":                                                     true,
	// Said again by what StartServer returns.
	"bootstrap failed": true,
	// Of a slow request, which "apply request took too long" is about already.
	"request stats": true,
}

// Of each warning of etcd's so many are logged in so long.
const (
	warnings    = 3
	warningsPer = 10 * time.Second
)

// zapCore implements zapcore.Core.
type zapCore struct {
	log    zerolog.Logger
	quiet  *atomic.Bool
	limit  *logging.Limiter
	fields []zapcore.Field
}

func (zapCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c zapCore) With(fields []zapcore.Field) zapcore.Core {
	c.fields = append(c.fields[:len(c.fields):len(c.fields)], fields...)
	return c
}

func (c zapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if c.quiet.Load() || idle[e.Message] || e.Level >= zapcore.PanicLevel || !c.limit.Allow(e.Message) {
		return nil
	}
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range c.fields {
		f.AddTo(enc)
	}
	for _, f := range fields {
		f.AddTo(enc)
	}
	ev := c.log.Warn()
	if e.Level > zapcore.WarnLevel {
		ev = c.log.Error()
	}
	ev.Fields(enc.Fields).Msg(e.Message)
	return nil
}

func (zapCore) Sync() error { return nil }
