package exchange

import (
	"errors"

	"nanofront/nanobus"
)

// outcome is why a request was answered by the terminator and not by a
// handler.
type outcome uint8

const (
	answered    outcome = iota // by a handler
	aboutServer                // OPTIONS of the front itself
	badTarget
	noRoute
	badMethod
	bodyTooLarge
	shed
	lagging
	noInstance
	noCredit
	notReady
	linkBroke
	timedOut
	handlerFailed
	badReply
	heldFull
	heldOver
	clientGone
)

// serverMethods is the field Allow for aboutServer: what is passed on to handlers. Others may be as
// well, the routes say.
var serverMethods = []byte("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")

// outcomes is the one table from cause to status. The text is for the client:
// short, in plain words, the same for everybody, and without internals. name
// and cause are for the access log.
var outcomes = [...]struct {
	status int
	text   string
	retry  bool // Retry-After: the same request may well succeed in a moment
	name   string
	cause  cause
}{
	answered:      {200, "", false, "", causeNone},
	aboutServer:   {200, "", false, "", causeNone},
	badTarget:     {400, "the request target is not acceptable", false, "bad_target", causeClient},
	noRoute:       {404, "there is nothing at this address", false, "no_route", causeClient},
	badMethod:     {405, "this method is not allowed here", false, "bad_method", causeClient},
	bodyTooLarge:  {413, "the body is larger than this address takes", false, "body_too_large", causeClient},
	shed:          {503, "too many requests are under way, try again in a moment", true, "shed", causeLimit},
	lagging:       {503, "the front has too much to do, try again in a moment", true, "turned_away", causeLimit},
	noInstance:    {503, "the service is not available at the moment, try again soon", true, "no_instance", causeHandler},
	noCredit:      {503, "the service is at its limit, try again in a moment", true, "no_credit", causeLimit},
	notReady:      {503, "the front has just started and knows no routes yet, try again in a moment", true, "not_ready", causeFront},
	linkBroke:     {502, "the connection to the service broke; whether it acted on the request is unknown", false, "link_broke", causeHandler},
	timedOut:      {504, "the service did not answer in time", false, "timed_out", causeDeadline},
	handlerFailed: {500, "the service failed on this request", false, "handler_failed", causeHandler},
	badReply:      {502, "the service gave an answer that can't be passed on", false, "bad_reply", causeHandler},
	heldFull:      {503, "too many clients wait for this already, try again in a moment", true, "held_full", causeLimit},
	heldOver:      {503, "there is no answer to this yet, try again in a moment", true, "held_over", causeDeadline},
	clientGone:    {499, "", false, "client_gone", causeClient},
}

// cause is who or what ended a request otherwise than well, as the access log says it.
type cause string

const (
	causeNone     cause = ""
	causeClient   cause = "client"
	causeFront    cause = "front"
	causeHandler  cause = "handler"
	causeLimit    cause = "limit"
	causeDeadline cause = "deadline"
)

// outcomeOf says what a failed call means.
func outcomeOf(err error) outcome {
	var remote *nanobus.RemoteError
	switch {
	case err == nil:
		return answered
	case errors.Is(err, nanobus.ErrNoInstance), errors.Is(err, nanobus.ErrClosed):
		return noInstance
	case errors.Is(err, nanobus.ErrNoCredit), errors.Is(err, nanobus.ErrTooManyBodies):
		return noCredit
	case errors.Is(err, nanobus.ErrLinkDown):
		return linkBroke
	case errors.Is(err, nanobus.ErrTimeout):
		return timedOut
	case errors.Is(err, nanobus.ErrCancelled):
		return clientGone
	case errors.Is(err, nanobus.ErrTooLarge), errors.Is(err, nanobus.ErrNoBodies):
		return bodyTooLarge
	case errors.As(err, &remote):
		switch remote.Code {
		case nanobus.CodeExpired:
			return timedOut
		case nanobus.CodeOverWindow:
			return noCredit
		case nanobus.CodeDraining, nanobus.CodeNoHandler:
			return noInstance
		case nanobus.CodeTooLarge:
			return badReply
		default:
			return handlerFailed
		}
	default:
		return handlerFailed
	}
}
