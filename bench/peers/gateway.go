package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/valyala/fasthttp"
)

const (
	// natsSubject is what requests are published to.
	natsSubject = "bench.http"
	natsTimeout = 2 * time.Second
)

// Gateway turns HTTP requests into requests over NATS, until ctx ends: what most would build first
// who want HTTP on top of a bus. The request's target is the message, the response's body the
// reply.
func Gateway(ctx context.Context, addr, url string) error {
	conn, err := connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	return serve(ctx, addr, func(c *fasthttp.RequestCtx) {
		reply, err := conn.Request(natsSubject, c.RequestURI(), natsTimeout)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			c.Error("no responder", fasthttp.StatusServiceUnavailable)
		case err != nil:
			c.Error("no reply", fasthttp.StatusGatewayTimeout)
		default:
			c.SetContentType(typeText)
			c.Response.SetBodyRaw(reply.Data)
		}
	})
}

// Responder answers what gateways ask, until ctx ends.
func Responder(ctx context.Context, url string) error {
	conn, err := connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	all := newAnswers()
	sub, err := conn.QueueSubscribe(natsSubject, "responders", func(m *nats.Msg) {
		body, _ := all.of(m.Data)
		_ = m.Respond(body) // the gateway's deadline finds what is lost
	})
	if err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	// Nothing is dropped for want of room: what waits is bounded by the requests under way.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	<-ctx.Done()
	return nil
}

func connect(url string) (*nats.Conn, error) {
	conn, err := nats.Connect(url, nats.Timeout(2*time.Second), nats.RetryOnFailedConnect(true), nats.ReconnectWait(50*time.Millisecond), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("peers: %s: %w", url, err)
	}
	return conn, nil
}
