package load

// Cause is why a request failed. Each failed request has exactly one.
type Cause int

// The causes.
const (
	// CauseConnect: the connection for it could not be opened.
	CauseConnect Cause = iota
	// CauseReset: the connection ended before the response was complete.
	CauseReset
	// CauseTimeout: no complete response within Options.Timeout.
	CauseTimeout
	// CauseStatus: a status that was not expected.
	CauseStatus
	// CauseBody: the status was expected, but not the body.
	CauseBody
	// CauseProtocol: what came is not an HTTP/1.1 response.
	CauseProtocol
	// CauseAborted: the connection was given up for the sake of an earlier
	// request on it (pipelining), or the run was interrupted.
	CauseAborted

	causes
)

var causeNames = [causes]string{"connect", "reset", "timeout", "status", "body", "protocol", "aborted"}

// String is the name of a cause in reports: one lower-case word.
func (c Cause) String() string {
	if c < 0 || c >= causes {
		return "unknown"
	}
	return causeNames[c]
}

// Errors counts failed requests by Cause.
type Errors [causes]uint64

// Total is the number of failed requests.
func (e *Errors) Total() uint64 {
	var n uint64
	for _, v := range e {
		n += v
	}
	return n
}

// Map is the counts that are not zero, by the cause's name.
func (e *Errors) Map() map[string]uint64 {
	m := make(map[string]uint64)
	for c, n := range e {
		if n > 0 {
			m[Cause(c).String()] = n
		}
	}
	return m
}

func (e *Errors) add(o *Errors) {
	for i, n := range o {
		e[i] += n
	}
}
