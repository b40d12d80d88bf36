// Package handlers is for writing nanofront backends: it announces the process, takes its requests
// off the bus, runs the handler with bounded concurrency, contains its panics, answers, and shuts
// down without losing a request.
//
// A whole backend (examples/go, which is a module of its own):
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//
//		"nanofront/handlers"
//		"nanofront/handlers/program"
//	)
//
//	func main() {
//		program.Main("greeter", handlers.HandlerFunc(greet))
//	}
//
//	func greet(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
//		name := req.Param("name")
//		if name == "" {
//			return handlers.Status(400, "who are you? add ?name=")
//		}
//		resp.Set("content-type", "text/plain; charset=utf-8")
//		fmt.Fprintf(resp, "Hello %s!\n", name)
//		return nil
//	}
//
// That has flags, an admin port, StatsD and logs: package program. A program that has its own main
// calls [Run] instead, with a discovery of its choice, and ends it with a context:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer stop()
//	found, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{"http://127.0.0.1:2379"}})
//	found, err := static.Open(ctx, static.Options{File: "instances.yaml"}) // either of them
//	...
//	err = handlers.Run(ctx, handlers.Options{
//		Service: "greeter", Discovery: found,
//		Logger: zerolog.New(os.Stderr), // says the address that it serves at
//	}, handlers.HandlerFunc(greet))
//
// A handler that can serve many requests at the cost of one, because its store can, implements
// [BatchHandler] instead: it gets all requests that have gathered, and answers each when it is
// ready. One that calls other services does so with a [Client], which has an asynchronous form for
// handlers that must not hold a goroutine for each request.
//
// # Pitfalls
//
// Request and Response belong to the runtime: don't use any part of them after the handler has
// returned (Handler) or the exchange was finished (BatchHandler). Byte slices in a Request alias
// the received message; copy what outlives the request.
//
// The runtime can't protect goroutines that a handler starts itself: a panic on one ends the
// process.
package handlers
