// Package link is the connection to one peer: requests with their replies, holds, bodies and pings,
// both ways. Users of package nanobus meet [Call], [Request], [Held] and [Link] there by the same
// names.
//
// A [Link] consists of a writer (package writer), a half that sends our requests, and a half that
// takes the peer's. What the links of a process share is its [Node]: the calls that are under way,
// bus time, counters. Which instance gets a request is decided above, in package nanobus, and what
// a link has to tell of there goes through one interface.
//
// The writer's lock is held when a frame is appended, so that it can hold for more: a call is
// awaited before its request can leave and while the link is known to be open; a reply is appended
// as its request is forgotten; a body is known as its first frame is appended; and no request
// stands behind our ack of the peer's draining.
package link

import "errors"

// MaxWindow is the largest window: requests of one peer at once.
const MaxWindow = 1 << 16

var (
	// ErrCancelled: the caller gave up. A cancel was sent.
	ErrCancelled = errors.New("nanobus: cancelled")
	// ErrNoBodies: the peer takes no bodies in chunks, only whole ones.
	ErrNoBodies = errors.New("nanobus: the peer doesn't accept bodies in chunks")
)
