package exchange

import (
	"strconv"
	"time"
)

// writeCombined writes a line as the combined log of Apache and nginx has it. Who refers and the
// client's program are left out ("-"), as all header fields are. Behind it is what that form has no
// place for, as name=value.
func (a *accessLog) writeCombined(x *Exchange, size int64, now time.Duration, end End, slow bool, stands int64) {
	scratch := scratches.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	b := append((*scratch)[:0], x.client()...)
	b = append(b, " - - ["...)
	b = time.Now().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, "] "...)
	if len(x.msg.Method) == 0 {
		b = append(b, `"-"`...) // what came was no request
	} else {
		b = append(b, '"')
		b = appendQuoted(b, x.msg.Method)
		b = append(b, ' ')
		b = appendQuoted(b, x.path())
		b = append(b, " HTTP/1."...)
		b = append(b, '1'-x.old, '"')
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(x.Response.Status), 10)
	b = append(b, ' ')
	if size > 0 {
		b = strconv.AppendInt(b, size, 10)
	} else {
		b = append(b, '-')
	}
	b = append(b, ` "-" "-" request_id=`...)
	b = append(b, x.requestID...)
	if id := x.traceID(); id != nil {
		b = append(append(b, " trace_id="...), id...)
	}
	b = appendWord(b, " end=", end.String())
	what, who := x.blame(end)
	b = appendWord(b, " cause=", string(who))
	b = appendWord(b, " error=", what)
	if x.up != nil {
		b = appendWord(b, " route=", x.up.route)
		b = appendWord(b, " service=", x.up.service.Name())
	}
	b = appendWord(b, " instance=", x.instance)
	b = appendWord(b, " version=", x.version)
	s := x.stagesUntil(now)
	b = appendMillis(b, " read_ms=", s.read)
	if s.reached {
		b = appendMillis(b, " queue_ms=", s.queue)
		b = appendMillis(b, " bus_out_ms=", s.busOut)
		b = appendMillis(b, " handler_queue_ms=", s.handlerQueue)
		b = appendMillis(b, " handler_ms=", s.handler)
		b = appendMillis(b, " bus_back_ms=", s.busBack)
		if s.held != 0 {
			b = appendMillis(b, " held_ms=", s.held)
		}
		b = appendMillis(b, " write_ms=", s.write)
	}
	b = appendMillis(b, " total_ms=", now-x.began())
	if slow {
		b = append(b, " slow=1"...)
	}
	b = append(b, " stands_for="...)
	b = strconv.AppendInt(b, stands, 10)
	b = append(b, '\n')
	_, _ = a.combined.Write(b) // it drops and counts
	*scratch = b[:0]
	scratches.Put(scratch)
}

// appendWord appends a name and its value, which is left out if it is empty.
func appendWord(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, name...)
	for i := range len(value) {
		switch c := value[i]; {
		case c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=':
			b = append(b, c)
		default:
			b = append(b, '_') // of a version, or a reason in words
		}
	}
	return b
}

func appendMillis(b []byte, name string, d time.Duration) []byte {
	return strconv.AppendFloat(append(b, name...), millis(d), 'f', 3, 64)
}

// appendQuoted appends what a client has sent, with what doesn't belong between quotes
// percent-encoded.
func appendQuoted(b, text []byte) []byte {
	for _, c := range text {
		if c > ' ' && c < 0x7f && c != '"' && c != '\\' {
			b = append(b, c)
		} else {
			b = appendPercent(b, c)
		}
	}
	return b
}
