package main

import (
	"context"

	"nanofront/bench/peers"
	"nanofront/internal/cli"
	"nanofront/internal/tuning"
)

// peerCommand is what bench starts itself: parts of the peers that are no
// programs of others.
type peerCommand struct {
	Part    string `arg:"" oneof:"plain,gateway,responder" help:"plain, gateway or responder."`
	HTTP    string `name:"http" default:"127.0.0.1:0" type:"addr" placeholder:"ADDR" help:"Address to serve HTTP on."`
	Workers int    `default:"0" range:"0..65536" placeholder:"N" help:"Requests that plain works on at the same time, of those that take time. 0: all."`
	NATS    string `name:"nats" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"The nats-server."`
}

// Run implements command.
func (c *peerCommand) Run(ctx context.Context, _ cli.IO) error {
	tuning.Apply() // as nanofront's programs do, so that no setting makes a difference
	switch c.Part {
	case "gateway":
		return peers.Gateway(ctx, c.HTTP, c.NATS)
	case "responder":
		return peers.Responder(ctx, c.NATS)
	}
	return peers.Plain(ctx, c.HTTP, c.Workers)
}
