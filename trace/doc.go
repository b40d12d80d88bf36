// Package trace follows single requests through all processes: who worked on them, when, and for
// how long.
//
// A request's ids travel in the header field traceparent of W3C Trace Context, which the front sets
// when tracing is on, and which handlers in any language see. Each process that takes part makes a
// [Record] of its share when that is over, from stage times that are measured anyway. What becomes
// of it is decided by one of two rules:
//
//   - At the head: a share of the requests is sampled, as the flag in traceparent says, and exported at once.
//   - At the tail: all others are kept in a ring of bounded size. When the front finds that a request was slow or has
//     failed, it asks for its trace over the bus ([Ask]); each handler that has records of it exports them, and asks
//     those whom it has called itself.
//
// A [Recorder] does this for a process. It never blocks its callers: a record that doesn't fit is
// dropped, and counted with its reason. The package knows no collector: see trace/otlp.
package trace
